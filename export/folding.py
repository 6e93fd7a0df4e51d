"""Folding batch norm into the convolution before it, before anything else looks at the graph."""

from __future__ import annotations

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mobilevos.model.network import MemoryNetwork

__all__ = ["fold_batch_norm"]


def fold_batch_norm(network: MemoryNetwork) -> MemoryNetwork:
    """A copy in evaluation mode without batch norm: the same function, a third fewer operators to lower.

    In every `nn.Sequential` a batch norm that follows a convolution goes into its weights and bias.

    Raises:
        ValueError: A batch norm is left, for which this rule does not fit.
    """
    folded = copy.deepcopy(network).eval()
    for module in folded.modules():
        if isinstance(module, nn.Sequential):
            _fold_sequence(module)
    left = [name for name, module in folded.named_modules() if isinstance(module, nn.BatchNorm2d)]
    if left:
        raise ValueError(f"batch norm outside a sequence: {', '.join(left)}")
    return folded


def _fold_sequence(sequence: nn.Sequential) -> None:
    for index in range(len(sequence) - 1):
        convolution, norm = sequence[index], sequence[index + 1]
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            sequence[index] = fuse_conv_bn_eval(convolution, norm)
            sequence[index + 1] = nn.Identity()
