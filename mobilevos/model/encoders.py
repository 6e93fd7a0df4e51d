"""The two encoders of a space-time memory network: the query (every frame) and the memory value (every k-th)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mobilevos.model.blocks import ConvNorm, WideBlock, per_object
from mobilevos.model.trunk import build_trunk

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "MemoryEncoder", "QueryEncoder", "QueryFeatures"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class QueryFeatures(NamedTuple):
    """A frame, encoded: `key [B, Ck, h, w]` and the trunk's features at strides 16, 8 and 4."""

    key: Tensor
    feature16: Tensor
    feature8: Tensor
    feature4: Tensor


class QueryEncoder(nn.Module):
    """Trunk and key projection. The key serves as query now and as memory key later (STCN, section 3.2)."""

    mean: Tensor
    std: Tensor

    def __init__(self, trunk: str, key_channels: int) -> None:
        super().__init__()
        self.trunk = build_trunk(trunk)
        channels = self.trunk.channels[0]
        projection = nn.Conv2d(channels, key_channels, 1)
        nn.init.orthogonal_(projection.weight)
        assert projection.bias is not None
        nn.init.zeros_(projection.bias)
        self.key_projection = nn.Sequential(
            ConvNorm(channels, channels, 5, groups=channels, activate=False), projection
        )
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> QueryFeatures:
        """Encodes `image [B, 3, H, W]`, RGB in 0..1, sides multiples of 16."""
        features = self.trunk((image - self.mean) / self.std)
        return QueryFeatures(self.key_projection(features.feature16), *features)


class MemoryEncoder(nn.Module):
    """Makes memory values from masks and the query encoder's features of the same frame.

    Sharing the features leaves only the masks to be encoded, so memorising costs a fraction of a second trunk.

    Args:
        feature_channels: Channels of the trunk's features at strides 16, 8 and 4.
        channels: Channels at strides 16, 8 and 4.
        blocks: Wide blocks at stride 16.
        value_channels: Channels of a value (Cv).
    """

    def __init__(
        self,
        feature_channels: tuple[int, int, int],
        channels: tuple[int, int, int],
        blocks: int,
        value_channels: int,
    ) -> None:
        super().__init__()
        c16, c8, c4 = channels
        self.stem = ConvNorm(2, c4, 4, stride=4)
        self.down8 = nn.Sequential(ConvNorm(c4, c4, 3, stride=2, groups=c4), ConvNorm(c4, c8, activate=False))
        self.skip8 = ConvNorm(feature_channels[1], c8, activate=False)
        self.down16 = nn.Sequential(ConvNorm(c8, c8, 5, stride=2, groups=c8), ConvNorm(c8, c16, activate=False))
        self.skip16 = ConvNorm(feature_channels[0], c16, activate=False)
        self.blocks = nn.Sequential(*(WideBlock(c16) for _ in range(blocks)))
        self.projection = nn.Conv2d(c16, value_channels, 1)

    def forward(self, feature16: Tensor, feature8: Tensor, masks: Tensor, others: Tensor) -> Tensor:
        """Values `[B*O, Cv, h, w]`.

        Args:
            feature16: `[B, C16, h, w]`.
            feature8: `[B, C8, 2h, 2w]`.
            masks: `[B*O, 1, H, W]`, each object's probability in 0..1.
            others: `[B*O, 1, H, W]`, the sum of the other objects' probabilities.
        """
        batch = masks.shape[0]
        x = self.stem(torch.cat([masks, others], dim=1))
        x = F.relu(self.down8(x) + per_object(self.skip8(feature8), batch))
        x = F.relu(self.down16(x) + per_object(self.skip16(feature16), batch))
        value: Tensor = self.projection(self.blocks(x))
        return value
