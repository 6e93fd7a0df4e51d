"""The layers of a network that int8 is about, its convolutions, and telling which of them an artefact's are.

Artefacts do not keep a layer's name, and no converter keeps the order. They keep the kernel: a convolution is the layer
whose kernel it holds, to within the rounding of its weights. So the report also proves that each has its own weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from torch import nn

from export.quantization.artefacts.found import FoundConvolution
from mobilevos.engines.engine import Array
from mobilevos.model.folding import fold_batch_norm
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.program import ObservedComponent

__all__ = ["Layer", "find_layers", "layers_in_order"]

_SAME_KERNEL = 0.1
"""Largest root mean square of the difference of two kernels, of that of the layer's own, for both to be the same layer.
The rounding of weights to 8 bits costs 0.01 to 0.02; a kernel of another layer is at 1 and above."""


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution of the network, batch norm folded.

    Attributes:
        name: Its path, e.g. `decoder.to8.0`.
        kernel: `[Cout, Cin/groups, KH, KW]`, float32.
    """

    name: str
    kernel: Array


def layers_in_order(network: MemoryNetwork, observed: Mapping[str, ObservedComponent]) -> dict[str, tuple[Layer, ...]]:
    """The convolutions of each component, in the order in which it computes them.

    Args:
        network: Left as it is.
        observed: Its components.
    """
    folded = fold_batch_norm(network).named_modules()
    kernels = {name: one.weight.detach().numpy() for name, one in folded if isinstance(one, nn.Conv2d)}
    table = {}
    for component, one in observed.items():
        computed = (node.name for node in one.graph.graph.nodes if node.op == "call_function")
        sites = dict.fromkeys(one.sites[name] for name in computed if name in one.sites)
        table[component] = tuple(Layer(site, kernels[site]) for site in sites if site in kernels)
    return table


def find_layers(layers: Iterable[Layer], found: Iterable[FoundConvolution]) -> dict[str, FoundConvolution]:
    """The convolution of each layer, by the layer's name; layers that are not found are left out.

    Args:
        layers: Of a component.
        found: The convolutions of an artefact's component.
    """
    left, table = list(found), dict[str, FoundConvolution]()
    for layer in layers:
        alike = [(distance, one) for one in left if (distance := _distance(layer.kernel, one.kernel)) < _SAME_KERNEL]
        if alike:
            table[layer.name] = min(alike, key=lambda pair: pair[0])[1]
            left.remove(table[layer.name])
    return table


def _distance(own: Array, other: Array) -> float:
    """Root mean square of the difference of two kernels, of that of the first; infinite if their shapes differ."""
    if own.shape != other.shape:
        return float("inf")
    power = float(np.square(own, dtype=np.float64).mean()) or 1.0
    return float(np.sqrt(np.square(other.astype(np.float64) - own).mean() / power))
