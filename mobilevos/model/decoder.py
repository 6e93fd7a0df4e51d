"""The mask decoder: from the readout at stride 16 to one logit per pixel and object."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from mobilevos.model.aspp import ASPP
from mobilevos.model.blocks import ConvNorm, SeparableBlock, per_object, upsample
from mobilevos.model.encoders import QueryFeatures

__all__ = ["Decoder"]


class Decoder(nn.Module):
    """Readout and skips at strides 16, 8 and 4, depthwise-separable throughout.

    Every skip is projected once per frame and added, so it costs the same for one object as for many.

    Args:
        value_channels: Channels of the readout (Cv).
        feature_channels: Channels of the trunk's features at strides 16, 8 and 4.
        channels: Channels at strides 16, 8 and 4.
        blocks: Separable blocks at strides 16, 8 and 4.
        aspp_channels: Channels of an ASPP branch at stride 16; 0 for no ASPP.
    """

    def __init__(
        self,
        value_channels: int,
        feature_channels: tuple[int, int, int],
        channels: tuple[int, int, int],
        blocks: tuple[int, int, int],
        aspp_channels: int,
    ) -> None:
        super().__init__()
        c16, c8, c4 = channels
        self.readout = ConvNorm(value_channels, c16, activate=False)
        self.skip16 = ConvNorm(feature_channels[0], c16, activate=False)
        self.context = ASPP(c16, aspp_channels) if aspp_channels else nn.Identity()
        self.blocks16 = nn.Sequential(*(SeparableBlock(c16) for _ in range(blocks[0])))
        self.to8 = ConvNorm(c16, c8, activate=False)
        self.skip8 = ConvNorm(feature_channels[1], c8, activate=False)
        self.blocks8 = nn.Sequential(*(SeparableBlock(c8) for _ in range(blocks[1])))
        self.to4 = ConvNorm(c8, c4, activate=False)
        self.skip4 = ConvNorm(feature_channels[2], c4, activate=False)
        self.blocks4 = nn.Sequential(*(SeparableBlock(c4) for _ in range(blocks[2])))
        self.head = nn.Conv2d(c4, 1, 1)

    def features(self, readout: Tensor, query: QueryFeatures) -> Tensor:
        """Decoder features `[B*O, c4, H/4, W/4]`, which the representation loss compares."""
        batch = readout.shape[0]
        x = F.relu(self.readout(readout) + per_object(self.skip16(query.feature16), batch))
        x = self.blocks16(self.context(x))
        x = F.relu(upsample(self.to8(x), 2) + per_object(self.skip8(query.feature8), batch))
        x = self.blocks8(x)
        x = F.relu(upsample(self.to4(x), 2) + per_object(self.skip4(query.feature4), batch))
        features: Tensor = self.blocks4(x)
        return features

    def logits(self, features: Tensor) -> Tensor:
        """Mask logits `[B*O, 1, H, W]` of decoder features."""
        return upsample(self.head(features), 4)

    def forward(self, readout: Tensor, query: QueryFeatures) -> tuple[Tensor, Tensor]:
        """`features` and `logits` from a readout `[B*O, Cv, h, w]` and the frame's features."""
        features = self.features(readout, query)
        return features, self.logits(features)
