"""Convolution blocks that every mobile runtime takes whole.

Batch norm folds into the convolution before it and ReLU into the kernel, so each line of a block is one operator
on the device. Skips are added, never concatenated: an addition broadcasts one frame's feature over its objects.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ConvNorm", "SeparableBlock", "WideBlock", "per_object", "upsample"]


class ConvNorm(nn.Sequential):
    """Convolution without bias, batch norm and, unless `activate` is false, ReLU. `[B, C, H, W]` in and out."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        activate: bool = True,
    ) -> None:
        padding = 0 if kernel_size == stride else dilation * (kernel_size - 1) // 2
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias=False),
            nn.BatchNorm2d(out_channels),
        ]
        if activate:
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class SeparableBlock(nn.Module):
    """Depthwise 5x5 then pointwise convolution, with a residual connection. `[B, C, H, W]` in and out.

    A 5x5 window costs a depthwise layer next to nothing and doubles the reach of a 3x3 one.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = ConvNorm(channels, channels, 5, groups=channels)
        self.pointwise = ConvNorm(channels, channels, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        """Gives `relu(x + pointwise(depthwise(x)))`."""
        return F.relu(x + self.pointwise(self.depthwise(x)))


class WideBlock(nn.Module):
    """Depthwise 5x5, then two pointwise convolutions through a wider middle, residual. `[B, C, H, W]` in and out.

    The parameters of a plain 3x3 pair (ConvNeXt's layout, Liu et al., 2022), at the speed of matrix products:
    XNNPACK runs a 1x1 convolution more than twice as fast per operation as a 3x3 one.

    Args:
        channels: Channels in and out.
        expansion: Width of the middle, in multiples of `channels`.
    """

    def __init__(self, channels: int, expansion: int = 4) -> None:
        super().__init__()
        self.depthwise = ConvNorm(channels, channels, 5, groups=channels, activate=False)
        self.expand = ConvNorm(channels, expansion * channels)
        self.project = ConvNorm(expansion * channels, channels, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        """Gives `relu(x + project(expand(depthwise(x))))`."""
        return F.relu(x + self.project(self.expand(self.depthwise(x))))


def per_object(feature: Tensor, batch: int) -> Tensor:
    """Repeats a frame's feature `[B, C, h, w]` for its objects, `[batch, C, h, w]` with `batch = B * O`.

    With one frame the repeat is left to broadcasting, which costs an exported graph no operator.
    """
    frames = feature.shape[0]
    return feature if frames in (1, batch) else torch.repeat_interleave(feature, batch // frames, dim=0)


def upsample(x: Tensor, scale: int) -> Tensor:
    """Bilinear upsampling by a whole factor, pixel centres aligned at half (`align_corners=False`)."""
    return F.interpolate(x, scale_factor=float(scale), mode="bilinear", align_corners=False)
