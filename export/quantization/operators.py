"""What a quantized program computes, operator by operator: which of them in integers, from which sites to which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import fx

from mobilevos.quantization.program import QuantizedNetwork
from mobilevos.quantization.sites import layer_of, operator_of
from mobilevos.quantization.specification import Specification

__all__ = ["ReferenceOperator", "reference_operators"]

_ROUNDING = frozenset({"quantize_per_tensor", "dequantize_per_tensor"})
_CLAMPS = frozenset({"relu", "hardtanh"})


@dataclass(frozen=True)
class ReferenceOperator:
    """An operator of a quantized program, with the clamp that follows it, if there is one.

    Attributes:
        operator: ATen's name, e.g. `conv2d`.
        inputs: Sites of its activations, in order; constants are left out.
        output: Site of what it gives.
        integer: Whether it is meant to run in integers: all that it takes and gives is rounded to 8 bits, and the
            specification does not keep it in float.
    """

    operator: str
    inputs: tuple[str, ...]
    output: str
    integer: bool


def reference_operators(quantized: QuantizedNetwork, component: str) -> tuple[ReferenceOperator, ...]:
    """The operators of a component's quantized program, in its order.

    Clamps and roundings are no operators of their own.
    """
    sites, specification = quantized.sites[component], quantized.specification
    nodes = quantized.programs[component].graph.nodes
    computing = (node for node in nodes if node.op == "call_function" and node.name in sites)
    return tuple(_described(node, sites, specification) for node in computing if operator_of(node) not in _CLAMPS)


def _described(node: fx.Node, sites: Mapping[str, str], specification: Specification) -> ReferenceOperator:
    inputs, rounded = [], []
    for given in node.all_input_nodes:
        source = given
        while operator_of(source) in _ROUNDING:
            (source, *_) = source.all_input_nodes
        if source.name in sites:
            inputs.append(sites[source.name])
            rounded.append(source is not given)
    in_float = specification.float_part(layer_of(node), operator_of(node)) is not None
    integer = not in_float and bool(rounded) and all(rounded) and _is_rounded(node)
    return ReferenceOperator(operator_of(node), tuple(inputs), sites[node.name], integer)


def _is_rounded(node: fx.Node) -> bool:
    """Whether whoever takes what a node gives takes it rounded, perhaps after a clamp."""
    users = list(node.users)
    if len(users) == 1 and operator_of(users[0]) in _CLAMPS:
        return _is_rounded(users[0])
    return bool(users) and all(operator_of(user) == "quantize_per_tensor" for user in users)
