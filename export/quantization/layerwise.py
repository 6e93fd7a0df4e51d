"""A component in which every layer is in int8 or in float as one likes: without exporting anything again.

The graph is the one with observers, from which the quantized program is made too. It is interpreted, and where an
observer stands, a tensor is rounded if the operator that makes it or the one that takes it is in int8, as in the
program that an export with `--keep-float` would give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils._pytree import tree_leaves

from mobilevos.model.int8_weights import kernel_scale
from mobilevos.quantization.biases import round_bias
from mobilevos.quantization.program import ObservedComponent
from mobilevos.quantization.ranges import Range, Ranges
from mobilevos.quantization.sites import layer_of, operator_of
from mobilevos.quantization.specification import ACTIVATIONS, WEIGHTS, Specification

__all__ = ["Choice", "LayerwiseComponent"]

Choice = Callable[[str], bool]
"""Whether the operators of a layer, by its path, are in int8. What the specification keeps in float is not asked."""

_CONVOLUTION = "conv2d"


class LayerwiseComponent:
    """One component.

    Args:
        observed: Its graph.
        specification: What is kept in float in any case.
        ranges: Of every site.
    """

    def __init__(self, observed: ObservedComponent, specification: Specification, ranges: Ranges) -> None:
        self._graph, self._sites = observed.graph, observed.sites
        self._specification, self._ranges = specification, ranges
        self._nodes = list(observed.graph.graph.nodes)
        self._constants: dict[str, Tensor] = {}
        self._freed = self._last_readers()

    @property
    def layers(self) -> tuple[str, ...]:
        """Its convolutions that int8 is meant for, in the order in which it computes them."""
        return tuple(self._layer(one) for one in self._nodes if self._is_convolution(one))

    @torch.no_grad()
    def run(self, inputs: tuple[Tensor, ...], choice: Choice) -> tuple[Tensor, ...]:
        """Computes the component.

        Args:
            inputs: The contract's.
            choice: What is in int8.
        """
        return self._finish(self._start(inputs), 0, choice)

    @torch.no_grad()
    def one_by_one(self, inputs: tuple[Tensor, ...], *, int8: bool) -> Iterator[tuple[str, tuple[Tensor, ...]]]:
        """Computes it once for each layer, with that layer alone in int8, or alone in float.

        What lies before the layer is computed once for all.

        Args:
            inputs: The contract's.
            int8: What the one layer is in; all others are in the other.

        Yields:
            The layer, and the outputs.
        """
        values = self._start(inputs)
        for index, node in enumerate(self._nodes):
            if self._is_convolution(node):
                layer = self._layer(node)
                yield layer, self._finish(dict(values), index, lambda one, layer=layer: (one == layer) == int8)  # type: ignore[misc]
            self._step(values, index, lambda one: not int8)

    def _start(self, inputs: tuple[Tensor, ...]) -> dict[fx.Node, Tensor]:
        places = [node for node in self._nodes if node.op == "placeholder"]
        return dict(zip(places, inputs, strict=True))

    def _finish(self, values: dict[fx.Node, Tensor], index: int, choice: Choice) -> tuple[Tensor, ...]:
        for later in range(index, len(self._nodes) - 1):
            self._step(values, later, choice)
        output = self._nodes[-1]
        return tuple(self._read(values, output, one, choice) for one in tree_leaves(output.args[0]))

    def _step(self, values: dict[fx.Node, Tensor], index: int, choice: Choice) -> None:
        node = self._nodes[index]
        if node.op == "get_attr":
            values[node] = _attribute(self._graph, str(node.target))
        elif node.op == "call_function":
            arguments = fx.map_arg((node.args, node.kwargs), lambda one: self._read(values, node, one, choice))
            values[node] = node.target(*arguments[0], **arguments[1])
        for one in self._freed.get(node, ()):
            values.pop(one, None)

    def _read(self, values: Mapping[fx.Node, Tensor], reader: fx.Node, given: fx.Node, choice: Choice) -> Tensor:
        """What an operator takes of another, rounded if an observer lies between and either is in int8."""
        maker = _maker(given)
        value = values[maker]
        if maker is given:
            return self._bias(values, reader, given) if self._is_bias(reader, given, choice) else value
        if maker.op == "get_attr":
            return self._kernel(maker, value) if self._in_int8(reader, choice) else value
        if self._in_int8(maker, choice) or self._in_int8(reader, choice):
            return _round(value, self._ranges[self._sites[maker.name]])
        return value

    def _in_int8(self, node: fx.Node, choice: Choice) -> bool:
        if node.op != "call_function" or self._specification.float_part(self._layer(node), operator_of(node)):
            return False
        return choice(self._layer(node))

    def _layer(self, node: fx.Node) -> str:
        """Of an operator; empty, as in the specification, if no layer computes it: its site has a name even so."""
        return self._sites[node.name].partition("/")[0] if layer_of(node) else ""

    def _is_convolution(self, node: fx.Node) -> bool:
        return operator_of(node) == _CONVOLUTION and node.op == "call_function" and self._meant(node)

    def _meant(self, node: fx.Node) -> bool:
        return self._specification.float_part(self._layer(node), _CONVOLUTION) is None

    def _is_bias(self, reader: fx.Node, given: fx.Node, choice: Choice) -> bool:
        """Whether a constant is what a convolution in int8 adds."""
        convolution = given.op == "get_attr" and operator_of(reader) == _CONVOLUTION and len(reader.args) > 2
        return convolution and given is reader.args[2] and self._in_int8(reader, choice)

    def _bias(self, values: Mapping[fx.Node, Tensor], reader: fx.Node, given: fx.Node) -> Tensor:
        """A bias as 32 bits hold it; made once."""
        if given.name not in self._constants:
            image, kernel = (_maker(one) for one in reader.all_input_nodes[:2])
            scale = self._ranges[self._sites[image.name]].scale
            self._constants[given.name] = round_bias(values[given], scale, kernel_scale(values[kernel]))
        return self._constants[given.name]

    def _kernel(self, node: fx.Node, kernel: Tensor) -> Tensor:
        """A kernel as 8 bits hold it; made once."""
        if node.name not in self._constants:
            scale = kernel_scale(kernel)
            zero = torch.zeros_like(scale, dtype=torch.int32)
            rounded = torch.fake_quantize_per_channel_affine(kernel, scale, zero, 0, WEIGHTS.minimum, WEIGHTS.maximum)
            self._constants[node.name] = rounded
        return self._constants[node.name]

    def _last_readers(self) -> dict[fx.Node, list[fx.Node]]:
        """By node, the activations that nobody reads after it."""
        last: dict[fx.Node, fx.Node] = {}
        for node in self._nodes:
            for given in node.all_input_nodes if node.op in ("call_function", "output") else ():
                last[_maker(given)] = node
        freed: dict[fx.Node, list[fx.Node]] = {}
        for maker, reader in last.items():
            freed.setdefault(reader, []).append(maker)
        return freed


def _maker(node: fx.Node) -> fx.Node:
    """The node behind observers."""
    while node.op == "call_module":
        before = node.args[0]
        assert isinstance(before, fx.Node)
        node = before
    return node


def _attribute(graph: fx.GraphModule, target: str) -> Any:
    module, _, name = target.rpartition(".")
    return getattr(graph.get_submodule(module), name)


def _round(value: Tensor, held: Range) -> Tensor:
    return torch.fake_quantize_per_tensor_affine(
        value, held.scale, held.zero_point, ACTIVATIONS.minimum, ACTIVATIONS.maximum
    )
