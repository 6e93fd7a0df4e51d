"""Folding batch norm into the convolution before it, before anything else looks at the graph."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mobilevos.model.network import MemoryNetwork
from mobilevos.model.trunk import ResNet18Trunk
from mobilevos.torchvision_guard import import_torchvision

__all__ = ["fold_batch_norm"]


def fold_batch_norm(network: MemoryNetwork) -> MemoryNetwork:
    """A copy in evaluation mode without batch norm: the same function, a third fewer operators to lower.

    A batch norm goes into the weights and bias of the convolution before it: of its `nn.Sequential`, or, in
    torchvision's ResNets, the one with its number, `conv1` for `bn1`.

    Raises:
        ValueError: A batch norm is left, which neither rule fits.
    """
    folded = copy.deepcopy(network).eval()
    for module in folded.modules():
        for convolution, norm in _pairs(module):
            _fold(module, convolution, norm)
    left = [name for name, module in folded.named_modules() if isinstance(module, nn.BatchNorm2d)]
    if left:
        raise ValueError(f"batch norm without a convolution that it surely follows: {', '.join(left)}")
    return folded.eval()  # the layers that took the place of batch norm too


def _pairs(module: nn.Module) -> Iterator[tuple[str, str]]:
    """Names of children of which the second is called on the output of the first."""
    names = [name for name, _ in module.named_children()]
    if isinstance(module, nn.Sequential):
        yield from pairwise(names)
    elif isinstance(module, (ResNet18Trunk, import_torchvision().models.resnet.BasicBlock)):
        yield from ((name, name.replace("conv", "bn")) for name in names if name.startswith("conv"))


def _fold(module: nn.Module, convolution_name: str, norm_name: str) -> None:
    convolution, norm = module.get_submodule(convolution_name), module.get_submodule(norm_name)
    if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
        setattr(module, convolution_name, fuse_conv_bn_eval(convolution, norm))
        setattr(module, norm_name, nn.Identity())
