"""STCN's mask decoder."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mobilevos.model.blocks import per_object, upsample
from mobilevos.model.stcn.blocks import ResidualBlock, conv3x3

__all__ = ["Decoder"]


class _Refinement(nn.Module):
    def __init__(self, skip_channels: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.skip_conv = conv3x3(skip_channels, in_channels)
        self.out_conv = ResidualBlock(in_channels, out_channels)

    def forward(self, skip: Tensor, x: Tensor) -> Tensor:
        # The skip is convolved once per frame and then shared by the frame's objects.
        refined: Tensor = self.out_conv(per_object(self.skip_conv(skip), x.shape[0]) + upsample(x, 2))
        return refined


class Decoder(nn.Module):
    """From readout and compressed feature, 512 channels each, to one logit per pixel and object."""

    def __init__(self) -> None:
        super().__init__()
        self.compress = ResidualBlock(1024, 512)
        self.up_16_8 = _Refinement(512, 512, 256)
        self.up_8_4 = _Refinement(256, 256, 256)
        self.pred = conv3x3(256, 1)

    def features(self, readout: Tensor, thin: Tensor, feature8: Tensor, feature4: Tensor) -> Tensor:
        """Decoder features `[B*O, 256, H/4, W/4]`, the ones that the last convolution sees.

        Args:
            readout: `[B*O, 512, h, w]`.
            thin: The compressed stride-16 feature, `[B, 512, h, w]`.
            feature8: `[B, 512, 2h, 2w]`.
            feature4: `[B, 256, 4h, 4w]`.
        """
        thin = per_object(thin, readout.shape[0]).expand_as(readout)
        x = self.compress(torch.cat([readout, thin], dim=1))
        x = self.up_16_8(feature8, x)
        return F.relu(self.up_8_4(feature4, x))

    def logits(self, features: Tensor) -> Tensor:
        """Mask logits `[B*O, 1, H, W]` of decoder features."""
        return upsample(self.pred(features), 4)
