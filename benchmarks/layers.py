"""Which layer of the network an operator of a lowered program is.

XNNPACK names its operators by kind alone. But a delegate runs them in the order of the exported graph, which is
the order in which PyTorch ran the layers: the n-th convolution of a kind here is the n-th of that kind there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mobilevos.contract import Dimensions

__all__ = ["Layer", "assign_layers", "memory_read_layers", "network_layers", "operator_kind"]

_KINDS = (
    ("DWConv", "depthwise"),
    ("IGEMM", "convolution"),
    ("Batch Matrix Multiply", "matrix product"),
    ("Fully Connected", "pointwise"),
    ("Convolution", "pointwise"),
    ("Softmax", "softmax"),
)


@dataclass(frozen=True)
class Layer:
    """A layer that costs arithmetic.

    Attributes:
        name: Of the module, as in the network; or what a step of the memory read does.
        kind: As `operator_kind` says it.
        macs: Multiply-accumulates.
    """

    name: str
    kind: str
    macs: int


def operator_kind(operator: str) -> str | None:
    """Kind of layer that an XNNPACK operator of this name runs; None for those that only move or add."""
    return next((kind for words, kind in _KINDS if words in operator), None)


def network_layers(module: nn.Module, inputs: tuple[Tensor, ...]) -> list[Layer]:
    """The convolutions of one forward pass, in the order in which they ran."""
    layers: list[Layer] = []

    def note(name: str, convolution: nn.Conv2d, output: Tensor) -> None:
        window = convolution.kernel_size[0] * convolution.kernel_size[1]
        inner = convolution.in_channels // convolution.groups
        kind = "pointwise" if window == 1 else "convolution"
        if convolution.groups > 1 and inner == 1:
            kind = "depthwise"
        layers.append(Layer(name.removeprefix("network."), kind, output.numel() * inner * window))

    def hook(name: str) -> Any:
        return lambda convolution, given, output: note(name, convolution, output)

    hooks = [
        one.register_forward_hook(hook(name)) for name, one in module.named_modules() if isinstance(one, nn.Conv2d)
    ]
    try:
        with torch.inference_mode():
            module(*inputs)
    finally:
        for handle in hooks:
            handle.remove()
    return layers


def memory_read_layers(d: Dimensions) -> list[Layer]:
    """The steps of the memory read, which has no modules, in order."""
    weights = d.positions * d.memory_frames * d.positions
    return [
        Layer("memory read: affinity", "matrix product", weights * (d.key_channels + 1)),
        Layer("memory read: softmax", "softmax", 0),
        Layer("memory read: readout", "matrix product", weights * d.objects * d.value_channels),
    ]


def assign_layers(operators: Sequence[str], layers: Sequence[Layer]) -> list[Layer | None]:
    """The layer of each operator.

    Kinds whose numbers of operators and layers differ stay without: a wrong name is worse than none.

    Args:
        operators: Names in the order of execution.
        layers: Likewise.
    """
    kinds = [operator_kind(operator) for operator in operators]
    assigned: list[Layer | None] = [None] * len(operators)
    for kind in {kind for kind in kinds if kind is not None}:
        places = [place for place, one in enumerate(kinds) if one == kind]
        fitting = [layer for layer in layers if layer.kind == kind]
        if len(places) == len(fitting):
            for place, layer in zip(places, fitting, strict=True):
                assigned[place] = layer
    return assigned
