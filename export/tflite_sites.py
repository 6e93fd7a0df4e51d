"""Which operator of a converted model is which of the network, and which site each of its tensors holds.

TFLite's converter gives operators and tensors names of its own, fuses and reorders. What it keeps is the data flow, and
the constants: a convolution is known by its kernel and by what it reads, any other operator by what it reads. So a
graph is walked from its inputs, whose sites are known, and nothing is matched by number, by name or within a tolerance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from export.quantization.operators import ReferenceOperator
from export.tflite_model import operator_kind, tensor_values
from mobilevos.engines.engine import Array

__all__ = ["CONVOLUTIONS", "MatchedGraph", "as_stored", "match_graph"]

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")

_MOVING = ("TRANSPOSE", "RESHAPE", "PAD", "PADV2")
"""They compute nothing: what they give has the site that they take. They pad with 0 or with less than any value."""

_READ = "BATCH_MATMUL"
"""The two products of the memory read, which gives the one activation that no layer computes."""

_NAMES = {
    "CONV_2D": "conv2d",
    "DEPTHWISE_CONV_2D": "conv2d",
    "ADD": "add",
    "SUB": "sub",
    "MUL": "div",  # by a constant
    "DIV": "div",
    "CONCATENATION": "cat",
    "MAX_POOL_2D": "max_pool2d",
    "RESIZE_BILINEAR": "upsample_bilinear2d",
}
"""ATen's name of what an operator was."""


@dataclass(frozen=True)
class MatchedGraph:
    """What was found out about a component's graph.

    Attributes:
        sites: Site of each tensor that holds an activation of the network, by the tensor's index.
        layers: Path of the layer that each convolution is, by the operator's index.
        integer: Indices of the operators that are meant to run in integers; also of those which move what is rounded.
        missing: Sites of the reference's integer operators that have none in the graph.
    """

    sites: dict[int, str] = field(default_factory=dict)
    layers: dict[int, str] = field(default_factory=dict)
    integer: set[int] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)


def match_graph(
    model: Any,
    graph: Any,
    inputs: Mapping[int, str],
    reference: Iterable[ReferenceOperator],
    kernels: Mapping[str, Array],
) -> MatchedGraph:
    """Finds the network's layers and sites in a graph.

    Args:
        model: The parsed model, in float.
        graph: One of its subgraphs.
        inputs: Site of each of the graph's inputs, by the tensor's index.
        reference: The operators of the same component.
        kernels: Of every convolution, `[Cout, Cin/groups, KH, KW]` float32, by the layer's path.
    """
    matched, unseen = MatchedGraph(sites=dict(inputs)), list(reference)
    for index, operator in enumerate(graph.operators):
        kind = operator_kind(model, operator)
        values = {one: tensor_values(model, graph.tensors[one]) for one in operator.inputs if one != -1}
        given = [matched.sites.get(one, "") for one, constant in values.items() if constant is None]
        if kind in _MOVING:
            site = "".join(given[:1])
        elif kind == _READ:
            site = "readout"
        else:
            kernel = values.get(operator.inputs[1]) if kind in CONVOLUTIONS else None
            found = _find(unseen, kind, given, kernel, kernels)
            if found is None:
                continue
            unseen.remove(found)
            site = found.output
            if kind in CONVOLUTIONS:
                matched.layers[index] = site
            if found.integer:
                matched.integer.add(index)
        if site:
            matched.sites[operator.outputs[0]] = site
    matched.missing.extend(one.output for one in unseen if one.integer)
    _add_moving(model, graph, matched.integer)
    return matched


def _find(
    unseen: list[ReferenceOperator], kind: str, given: list[str], kernel: Array | None, kernels: Mapping[str, Array]
) -> ReferenceOperator | None:
    """The first operator that computes this from these sites, in any order; a convolution with this kernel."""
    for one in unseen:
        if one.operator == _NAMES.get(kind) and sorted(one.inputs) == sorted(given):
            if kind not in CONVOLUTIONS:
                return one
            if kernel is not None and np.array_equal(kernel, as_stored(kernels[one.output], kind)):
                return one
    return None


def as_stored(kernel: Array, kind: str) -> Array:
    """A kernel of PyTorch's in the layout of a TFLite convolution: channels last, a depthwise one's Cout too."""
    return kernel.transpose((1, 2, 3, 0) if kind == "DEPTHWISE_CONV_2D" else (0, 2, 3, 1))


def _add_moving(model: Any, graph: Any, integer: set[int]) -> None:
    """Adds what moves something rounded, or something that none but integer operators read.

    Rounding before a move is rounding after it, and a byte moves faster than a float.
    """
    makers = {operator.outputs[0]: index for index, operator in enumerate(graph.operators)}
    readers: dict[int, list[int]] = {}
    for index, operator in enumerate(graph.operators):
        for one in operator.inputs:
            readers.setdefault(one, []).append(index)
    moving = [index for index, one in enumerate(graph.operators) if operator_kind(model, one) in _MOVING]
    for index in moving:
        if makers.get(graph.operators[index].inputs[0]) in integer:
            integer.add(index)
    for index in reversed(moving):
        (result,) = graph.operators[index].outputs
        if result not in graph.outputs and result in readers and integer.issuperset(readers[result]):
            integer.add(index)
