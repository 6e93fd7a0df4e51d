"""ImageNet trunks cut off at stride 16: torchvision's layers under torchvision's names.

A torchvision classifier's `state_dict` therefore loads into a trunk as it is; what lies behind stride 16 is left.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from mobilevos.errors import InputError
from mobilevos.torchvision_guard import import_torchvision

__all__ = [
    "MobileNetV2Trunk",
    "ResNet18Trunk",
    "Trunk",
    "TrunkFeatures",
    "build_trunk",
    "load_imagenet_weights",
]


class TrunkFeatures(NamedTuple):
    """Features `[B, C, H/s, W/s]` at strides 16, 8 and 4."""

    feature16: Tensor
    feature8: Tensor
    feature4: Tensor


class Trunk(nn.Module):
    """An image trunk: `[B, 3, H, W]`, normalised, to features at strides 16, 8 and 4.

    Attributes:
        channels: Channels of the features at strides 16, 8 and 4.
    """

    channels: tuple[int, int, int]

    def forward(self, image: Tensor) -> TrunkFeatures:
        """Features of a normalised image whose sides are multiples of 16."""
        raise NotImplementedError


class MobileNetV2Trunk(Trunk):
    """MobileNetV2 (Sandler et al., 2018) up to its last stride-16 block: 96 channels, 0.54 M parameters."""

    channels = (96, 32, 24)

    def __init__(self) -> None:
        super().__init__()
        self.features = import_torchvision().models.mobilenet_v2(weights=None).features[:14]

    def forward(self, image: Tensor) -> TrunkFeatures:
        """Features after blocks 13, 6 and 3."""
        feature4 = self.features[:4](image)
        feature8 = self.features[4:7](feature4)
        return TrunkFeatures(self.features[7:](feature8), feature8, feature4)


class ResNet18Trunk(Trunk):
    """ResNet18 (He et al., 2016) up to `layer3`: 256 channels, 2.8 M parameters."""

    channels = (256, 128, 64)
    conv1: nn.Module
    bn1: nn.Module
    relu: nn.Module
    maxpool: nn.Module
    layer1: nn.Module
    layer2: nn.Module
    layer3: nn.Module

    def __init__(self) -> None:
        super().__init__()
        resnet = import_torchvision().models.resnet18(weights=None)
        for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3"):
            self.add_module(name, getattr(resnet, name))

    def forward(self, image: Tensor) -> TrunkFeatures:
        """Features after `layer3`, `layer2` and `layer1`."""
        feature4 = self.layer1(self.maxpool(self.relu(self.bn1(self.conv1(image)))))
        feature8 = self.layer2(feature4)
        return TrunkFeatures(self.layer3(feature8), feature8, feature4)


_TRUNKS: dict[str, type[Trunk]] = {"mobilenet_v2": MobileNetV2Trunk, "resnet18": ResNet18Trunk}


def build_trunk(name: str) -> Trunk:
    """The trunk of this name, with random weights.

    Raises:
        InputError: No trunk has this name.
    """
    if name not in _TRUNKS:
        raise InputError(f"no trunk named {name!r}", expected=f"one of {', '.join(_TRUNKS)}")
    return _TRUNKS[name]()


def load_imagenet_weights(trunk: Trunk, path: Path | str) -> None:
    """Fills a trunk from a torchvision classifier's weights (`.safetensors`, or a `weights_only` `.pth`).

    Raises:
        InputError: The file is missing or damaged, or lacks one of the trunk's tensors.
    """
    path = Path(path)
    given = _read_weights(path)
    own = trunk.state_dict()
    for name, tensor in own.items():
        if name.endswith("num_batches_tracked"):
            continue
        if name not in given or given[name].shape != tensor.shape:
            found = "none" if name not in given else str(tuple(given[name].shape))
            raise InputError(f"{path} does not fit the trunk", expected=f"{name} {tuple(tensor.shape)}", found=found)
        own[name] = given[name].to(tensor.dtype)
        if not torch.isfinite(own[name]).all():
            raise InputError(f"{path} holds numbers that are not finite", found=name)
    trunk.load_state_dict(own)


def _read_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise InputError(f"no ImageNet weights at {path}", remedy="give trunk_weights=FILE (torchvision names)")
    try:
        given = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except Exception as error:  # the readers' error types differ by version; all mean the same to the user
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} is not a readable weights file", found=reason) from error
    if not isinstance(given, dict):
        found = type(given).__name__
        raise InputError(f"{path} is not a weights file", expected="tensors by torchvision's names", found=found)
    return {name: tensor for name, tensor in given.items() if isinstance(tensor, Tensor)}
