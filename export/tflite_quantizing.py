"""A float TFLite model made int8 by ai-edge-quantizer, with the specification in its calibration's place.

The quantizer asks for the smallest and the largest value of every tensor, as calibration would have found them. It is
given those that a site's scale and zero point stand for, in float64, from which it computes this scale and zero point
again; and kernels that lie on the grid of their scales already. Which operators it quantizes is told it one by one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from export.quantization.operators import reference_operators
from export.tflite_model import operator_kind, parse_model, serialize_model, signature_graphs
from export.tflite_sites import MatchedGraph, match_graph
from mobilevos.engines.engine import Array
from mobilevos.engines.native_stderr import capture_native_stderr
from mobilevos.errors import InputError
from mobilevos.model.int8_weights import LARGEST
from mobilevos.quantization.program import QuantizedNetwork
from mobilevos.quantization.ranges import Ranges, range_of

__all__ = ["Kernel", "quantize_model", "site_of"]


_COMPONENT, _COPY = "|", ":"
"""Behind a component, and before the number of a tensor that holds the same as another."""

_ROUNDED, _REAL = "_quantized", "_dequant"
"""What the quantizer adds to the name of a tensor that it rounds, and of one that it makes a float again."""

Calibration = dict[str, dict[str, Any]]
"""Smallest and largest value, float64, by the tensor's name; of a kernel per output channel."""


@dataclass(frozen=True)
class Kernel:
    """A convolution's kernel, as the model holds it in float.

    Attributes:
        values: `[Cout, Cin/groups, KH, KW]`, float32; with a scale, whole multiples of it.
        scale: Of each output channel, float32 `[Cout]`; None if the layer stays in float.
    """

    values: Array
    scale: Array | None


def quantize_model(model: bytes, quantized: QuantizedNetwork, kernels: Mapping[str, Kernel]) -> bytes:
    """Quantizes what the specification quantizes, and nothing else. The boundary stays in float32.

    Its tensors are called by their site, e.g. `decoder.to8.0`, or by the weight that they are, e.g.
    `decoder.to8.0.weight`; see `site_of`. Weights that signatures share stay shared.

    Args:
        model: With a signature for each component, its inputs called as in the contract.
        quantized: The same components.
        kernels: By the layer's path, of every convolution.

    Raises:
        InputError: The model has no operator for a layer that is to be quantized, or the quantizer refuses it.
    """
    parsed = parse_model(model)
    calibration: Calibration = {}
    chosen: dict[str, list[str]] = {}
    values = {layer: kernel.values for layer, kernel in kernels.items()}
    for component, (graph, tensors) in signature_graphs(parsed).items():
        inputs = {index: quantized.sites[component][name] for name, index in tensors.items()}
        matched = match_graph(parsed, graph, inputs, reference_operators(quantized, component), values)
        if matched.missing:
            raise InputError(
                f"layer {matched.missing[0]} cannot be quantized",
                expected=f"an operator of its own in TFLite's {component}",
                found="none",
                remedy=f"pass --keep-float {matched.missing[0].partition('/')[0]}",
            )
        _rename(graph, component, matched)
        for index in sorted(matched.integer):
            operator = graph.operators[index]
            chosen.setdefault(operator_kind(parsed, operator), []).append(_name(graph, operator.outputs[0]))
            calibration |= _activations(graph, operator, matched, quantized.ranges)
            if index in matched.layers:
                calibration |= _kernel(graph, operator, kernels[matched.layers[index]])
    return _without_components(_quantize(serialize_model(parsed), chosen, calibration))


def site_of(name: str) -> str:
    """The site that a tensor of a quantized model holds, or the weight that it is, from its name.

    One that holds neither gives an empty text.
    """
    return name.partition(_COPY)[0].removesuffix(_ROUNDED).removesuffix(_REAL)


def _rename(graph: Any, component: str, matched: MatchedGraph) -> None:
    """Calls every tensor by what it holds, and by the component, since the quantizer takes no name twice."""
    names = dict(matched.sites)
    for index, layer in matched.layers.items():
        _, kernel, *biases = graph.operators[index].inputs
        names |= {kernel: f"{layer}.weight"} | {bias: f"{layer}.bias" for bias in biases if bias != -1}
    taken = {""}
    for index, tensor in enumerate(graph.tensors):
        name = names.get(index, "")
        tensor.name = f"{component}{_COMPONENT}{name}" + (f"{_COPY}{index}" if name in taken else "")
        taken.add(name)


def _without_components(model: bytes) -> bytes:
    parsed = parse_model(model)
    for graph, _ in signature_graphs(parsed).values():
        for tensor in graph.tensors:
            tensor.name = tensor.name.decode().partition(_COMPONENT)[2]
    return serialize_model(parsed)


def _activations(graph: Any, operator: Any, matched: MatchedGraph, ranges: Ranges) -> Calibration:
    """What an operator takes and gives."""
    touched = {index for index in (*operator.inputs, *operator.outputs) if index in matched.sites}
    found = {_name(graph, index): range_of(matched.sites[index], ranges) for index in touched}
    return {name: {"min": np.float64(one.minimum), "max": np.float64(one.maximum)} for name, one in found.items()}


def _kernel(graph: Any, operator: Any, kernel: Kernel) -> Calibration:
    assert kernel.scale is not None
    largest = LARGEST * kernel.scale.astype(np.float64)
    return {_name(graph, operator.inputs[1]): {"min": -largest, "max": largest}}


def _name(graph: Any, index: int) -> str:
    return str(graph.tensors[index].name)


def _quantize(model: bytes, chosen: Mapping[str, list[str]], calibration: Calibration) -> bytes:
    """Runs the quantizer.

    Args:
        model: To be quantized.
        chosen: Names of what the operators to quantize give, by the operators' kind.
        calibration: Of every tensor that they take and give.
    """
    from ai_edge_quantizer.qtyping import TFLOperationName
    from ai_edge_quantizer.quantizer import Quantizer

    try:
        with capture_native_stderr():  # a line for each weight that is shared, and a bar that heeds no option
            quantizer = Quantizer(model)
            for kind, names in chosen.items():
                # What the quantizer matches are the names of all that an operator gives, each with a semicolon.
                quantizer.add_static_config(
                    regex=f"^({'|'.join(map(re.escape, names))});$",
                    operation_name=TFLOperationName(kind),
                    activation_num_bits=8,
                    weight_num_bits=8,
                )
            result = quantizer.quantize(calibration, enable_progress_bar=False, enable_progress_report=False)
            return bytes(result.quantized_model)
    except Exception as error:  # the quantizer's own have no common base
        raise InputError("TFLite's quantizer refuses the network", found=f"{error}"[:200]) from error
