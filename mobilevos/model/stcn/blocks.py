"""STCN's building blocks, with the published checkpoint's names."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Cbam", "ResidualBlock", "conv3x3"]


def conv3x3(in_channels: int, out_channels: int) -> nn.Conv2d:
    """A 3x3 convolution with bias that keeps height and width."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)


class ResidualBlock(nn.Module):
    """Two pre-activated 3x3 convolutions without batch norm, residual. `[B, C, H, W]` in and out."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.downsample = nn.Identity() if in_channels == out_channels else conv3x3(in_channels, out_channels)
        self.conv1 = conv3x3(in_channels, out_channels)
        self.conv2 = conv3x3(out_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Gives `downsample(x) + conv2(relu(conv1(relu(x))))`."""
        total: Tensor = self.downsample(x) + self.conv2(F.relu(self.conv1(F.relu(x))))
        return total


class _ChannelGate(nn.Module):
    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = channels // reduction
        self.mlp = nn.Sequential(
            nn.Flatten(), nn.Linear(channels, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.mlp(F.adaptive_avg_pool2d(x, 1)) + self.mlp(F.adaptive_max_pool2d(x, 1))
        return x * pooled.sigmoid()[:, :, None, None]


class _SpatialGate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.spatial = nn.ModuleDict({"conv": nn.Conv2d(2, 1, kernel_size=7, padding=3)})

    def forward(self, x: Tensor) -> Tensor:
        pooled = torch.cat([x.amax(dim=1, keepdim=True), x.mean(dim=1, keepdim=True)], dim=1)
        gate: Tensor = self.spatial["conv"](pooled)
        return x * gate.sigmoid()


class Cbam(nn.Module):
    """Convolutional block attention (Woo et al., 2018): channels are weighted, then positions.

    `[B, C, H, W]` in and out. The attributes' capitals are the checkpoint's.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ChannelGate = _ChannelGate(channels)
        self.SpatialGate = _SpatialGate()

    def forward(self, x: Tensor) -> Tensor:
        """`x`, weighted."""
        weighted: Tensor = self.SpatialGate(self.ChannelGate(x))
        return weighted
