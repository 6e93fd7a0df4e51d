"""Names of activations that are the same in every program that computes them.

`segment` holds the layers of `encode_query` and `decode`; a layer's activation is to have one range in all three. A
node of an exported graph is called by a number that differs from one to the other (`conv2d_41`), so activations are
named for the layer that computes them instead: a *site*. What leaves a convolution, its batch norm and its clamp is one
site, called as the convolution, e.g. `decoder.to8.0`; any other is called as its layer and operator, numbered where a
layer computes several, e.g. `decoder/add.1`. An input of a program is called as in the contract, and what `segment`
hands on from no layer to one, the readout, as the contract calls it too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from torch import fx

__all__ = ["layer_of", "operator_of", "output_sites", "site_names"]

_CONVOLUTION = "conv2d"
_AFTER = frozenset({"batch_norm", "relu", "hardtanh"})
"""Operators that runtimes compute together with what they follow: no activation lies between."""

_UNNAMED = "readout"
"""The one activation of `segment` that no layer computes and a layer reads."""


def layer_of(node: fx.Node) -> str:
    """Path of the layer whose code calls a node, as in the network's `named_modules`; empty if it is no layer's."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return str(stack[-1][0]).removeprefix("network").removeprefix(".") if stack else ""


def operator_of(node: fx.Node) -> str:
    """ATen's name of a node's operator, without overload and without the underscore of an in-place one."""
    return str(getattr(node.target, "overloadpacket", node.target)).rpartition(".")[2].removesuffix("_")


def site_names(graph: fx.Graph, inputs: Mapping[str, str] | None = None) -> dict[str, str]:
    """The site of every activation of an exported graph, by the name of its node.

    Args:
        graph: Of a component, before observers are put in.
        inputs: Sites of the graph's inputs, by the contract's name, where another component computes them.
    """
    names: dict[str, str] = {}
    count: Counter[str] = Counter()
    for node in graph.nodes:
        if node.op == "placeholder":
            names[node.name] = (inputs or {}).get(node.name, node.name)
        elif node.op == "call_function":
            names[node.name] = _name(node, names, count)
    return names


def _name(node: fx.Node, names: Mapping[str, str], count: Counter[str]) -> str:
    layer, operator = layer_of(node), operator_of(node)
    if not layer:
        return _UNNAMED
    if operator == _CONVOLUTION:
        return layer
    if operator in _AFTER and node.args:
        before = node.args[0]
        if isinstance(before, fx.Node) and before.name in names and operator_of(before) in {*_AFTER, "conv2d", "add"}:
            return names[before.name]
    number = count[f"{layer}/{operator}"]
    count[f"{layer}/{operator}"] += 1
    return f"{layer}/{operator}.{number}"


def output_sites(graph: fx.Graph, outputs: tuple[str, ...]) -> dict[str, str]:
    """Sites of a component's outputs, by the contract's names, for the components that take them as inputs.

    Args:
        graph: Of the component.
        outputs: The contract's names of what it returns, in order.
    """
    names = site_names(graph)
    (returned,) = (node.args[0] for node in graph.nodes if node.op == "output")
    assert isinstance(returned, tuple | list)
    return {name: names[node.name] for name, node in zip(outputs, returned, strict=True) if isinstance(node, fx.Node)}
