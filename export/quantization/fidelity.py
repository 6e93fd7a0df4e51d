"""What quantization costs a component: signal to noise ratio of its outputs and of every layer, on real inputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, fx, nn

from export.activations import Activations
from export.parity import Difference, compare
from mobilevos.engines.engine import Array
from mobilevos.quantization.sites import operator_of

__all__ = ["component_differences", "layer_differences", "quantized_activations", "rounded_node"]


def component_differences(components: Mapping[str, nn.Module], activations: Activations) -> dict[str, Difference]:
    """Each component's worst output, by signal to noise ratio, against what the float network computed.

    Args:
        components: Quantized programs, by the contract's names.
        activations: Inputs and the float network's outputs.
    """
    worst = {}
    for name, component in components.items():
        given, expected = activations[name]
        with torch.no_grad():
            outputs = component(*_tensors(given))
        actual = [output.numpy() for output in (outputs if isinstance(outputs, tuple) else (outputs,))]
        pairs = zip(expected, actual, strict=True)
        differences = [compare(np.ascontiguousarray(one), other) for one, other in pairs]
        worst[name] = min(differences, key=lambda difference: difference.sqnr_db)
    return worst


def layer_differences(
    program: fx.GraphModule, sites: Mapping[str, str], expected: Mapping[str, Array], inputs: tuple[Array, ...]
) -> dict[str, Difference]:
    """How far every activation of a quantized program is from the float network's, in the program's order.

    Args:
        program: Quantized.
        sites: Of its nodes, from the graph before quantization.
        expected: The float network's activations, by site.
        inputs: Of the component.
    """
    found = quantized_activations(program, sites, inputs)
    return {site: compare(expected[site], value) for site, value in found.items()}


def quantized_activations(
    program: fx.GraphModule, sites: Mapping[str, str], inputs: tuple[Array, ...]
) -> dict[str, Array]:
    """Every activation that a program holds in 8 bits, as the real numbers that the integers stand for, by site.

    Args:
        program: Quantized.
        sites: Of its nodes, from the graph before quantization.
        inputs: Of the component.
    """
    recorder = _Recorder(program, sites)
    with torch.no_grad():
        recorder.run(*_tensors(inputs))
    return recorder.values


class _Recorder(fx.Interpreter):
    def __init__(self, program: fx.GraphModule, sites: Mapping[str, str]) -> None:
        super().__init__(program)
        self.values: dict[str, Array] = {}
        self._sites = sites

    def run_node(self, n: fx.Node) -> object:
        result = super().run_node(n)
        if operator_of(n) == "quantize_per_tensor" and isinstance(result, Tensor):
            _, scale, zero_point = n.args[:3]
            assert isinstance(scale, float)
            real = (result.float() - float(str(zero_point))) * scale
            self.values[self._sites[rounded_node(n).name]] = real.numpy()
        return result


def rounded_node(conversion: fx.Node) -> fx.Node:
    """The node of the float graph whose activation a conversion of a quantized program rounds, or gives back.

    Args:
        conversion: A quantize, which may round what was rounded before, or a dequantize.
    """
    source = conversion
    while operator_of(source) in ("quantize_per_tensor", "dequantize_per_tensor"):
        before = source.args[0]
        assert isinstance(before, fx.Node)
        source = before
    return source


def _tensors(arrays: tuple[Array, ...]) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)
