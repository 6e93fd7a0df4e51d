"""Atrous spatial pyramid pooling with separable convolutions (Chen et al., DeepLabv3+, 2018), summed."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from mobilevos.model.blocks import ConvNorm

__all__ = ["ASPP"]


class ASPP(nn.Module):
    """Looks at a stride-16 feature through windows of several sizes. `[B, C, h, w]` in and out.

    Each branch is projected back and added to the input: the sum of projections is the projection of the
    concatenation, without the copy. There is no image-pooling branch, whose statistics would depend on the
    frame's size: an exported program and a training crop see the same thing.

    Args:
        channels: Channels in and out.
        branch_channels: Channels of each branch.
        rates: Dilations of the depthwise 3x3 convolutions, in stride-16 positions.
    """

    def __init__(self, channels: int, branch_channels: int, rates: tuple[int, ...] = (1, 3, 6, 12)) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                ConvNorm(channels, channels, 3, dilation=rate, groups=channels, activate=False),
                ConvNorm(channels, branch_channels),
                ConvNorm(branch_channels, channels, activate=False),
            )
            for rate in rates
        )

    def forward(self, x: Tensor) -> Tensor:
        """Gives `relu(x + sum of branches)`."""
        out = x
        for branch in self.branches:
            out = out + branch(x)
        return F.relu(out)
