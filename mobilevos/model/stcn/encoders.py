"""STCN's two encoders: ResNet50 for keys, ResNet18 for values, both cut off at stride 16."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mobilevos.model.stcn.blocks import Cbam, ResidualBlock
from mobilevos.model.trunk import TrunkFeatures
from mobilevos.torchvision_guard import import_torchvision

__all__ = ["KeyEncoder", "ValueEncoder"]


class KeyEncoder(nn.Module):
    """ResNet50 up to `layer3`: features of 1024, 512 and 256 channels at strides 16, 8 and 4."""

    def __init__(self) -> None:
        super().__init__()
        resnet = import_torchvision().models.resnet50(weights=None)
        self.conv1, self.bn1, self.relu, self.maxpool = resnet.conv1, resnet.bn1, resnet.relu, resnet.maxpool
        self.res2, self.layer2, self.layer3 = resnet.layer1, resnet.layer2, resnet.layer3

    def forward(self, image: Tensor) -> TrunkFeatures:
        """Features of a normalised `image [B, 3, H, W]`."""
        feature4 = self.res2(self.maxpool(self.relu(self.bn1(self.conv1(image)))))
        feature8 = self.layer2(feature4)
        return TrunkFeatures(self.layer3(feature8), feature8, feature4)


class _Fusion(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.block1 = ResidualBlock(in_channels, out_channels)
        self.attention = Cbam(out_channels)
        self.block2 = ResidualBlock(out_channels, out_channels)

    def forward(self, x: Tensor, feature16: Tensor) -> Tensor:
        x = self.block1(torch.cat([x, feature16], dim=1))
        fused: Tensor = self.block2(x + self.attention(x))
        return fused


class ValueEncoder(nn.Module):
    """ResNet18 up to `layer3` on image and masks, fused with the key encoder's stride-16 feature.

    Five input channels: the published multi-object network. Unlike torchvision's, its convolutions have biases.
    """

    def __init__(self, key_feature_channels: int, value_channels: int) -> None:
        super().__init__()
        resnet = import_torchvision().models.resnet18(weights=None)
        self.conv1 = nn.Conv2d(3 + 2, 64, kernel_size=7, stride=2, padding=3)
        self.bn1, self.relu, self.maxpool = resnet.bn1, resnet.relu, resnet.maxpool
        self.layer1, self.layer2, self.layer3 = resnet.layer1, resnet.layer2, resnet.layer3
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                module.bias = nn.Parameter(torch.zeros(module.out_channels))
        self.fuser = _Fusion(256 + key_feature_channels, value_channels)

    def forward(self, image: Tensor, feature16: Tensor, masks: Tensor, others: Tensor) -> Tensor:
        """Values `[B, Cv, h, w]`.

        Args:
            image: `[B, 3, H, W]`, normalised.
            feature16: Of the key encoder, `[B, 1024, h, w]`.
            masks: `[B, 1, H, W]` in 0..1.
            others: `[B, 1, H, W]`, the sum of the frame's other masks.
        """
        x = self.conv1(torch.cat([image, masks, others], dim=1))
        x = self.maxpool(self.relu(self.bn1(x)))
        value: Tensor = self.fuser(self.layer3(self.layer2(self.layer1(x))), feature16)
        return value
