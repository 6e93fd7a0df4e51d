"""The convolutions of a TFLite bundle: one computes in what its operands are, for TFLite has no other kernels."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from export.ladder.tflite_graph import trace
from export.quantization.artefacts.found import Arithmetic, ArtefactGraph, FoundConvolution, signed
from export.quantization.artefacts.tflite_tensors import Operator, TensorFacts, read_graph
from export.tflite_model import single_signature
from mobilevos.bundle import Bundle
from mobilevos.engines.engine import Array
from mobilevos.quantization.ranges import Range

__all__ = ["TfliteGraph"]

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_ACTIVATIONS = ("RELU", "RELU6")


class TfliteGraph(ArtefactGraph):
    """A bundle of target `tflite`."""

    measured_by = "LiteRT's own kernels, every tensor kept"

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._read = cache(self._read_component)

    def convolutions(self, component: str) -> tuple[FoundConvolution, ...]:
        """See `ArtefactGraph`."""
        return self._read(component)

    def values(
        self, component: str, inputs: tuple[Array, ...], layers: Mapping[str, FoundConvolution]
    ) -> dict[str, Array]:
        """See `ArtefactGraph`."""
        made = {step.name: step.value for step in trace(self._bundle, component, inputs).steps}
        return {layer: made[one.tensor] for layer, one in layers.items() if one.tensor in made}

    def _read_component(self, component: str) -> tuple[FoundConvolution, ...]:
        path, name = self._bundle.artefact(component)
        return _Graph(single_signature(path.read_bytes(), name)).convolutions()


class _Graph:
    """A model of one signature."""

    def __init__(self, model: bytes) -> None:
        self._graph = read_graph(model)
        self._takers: dict[int, list[Operator]] = {}
        self._makers = {index: one for one in self._graph.operators for index in one.outputs}
        for one in self._graph.operators:
            for index in one.inputs:
                self._takers.setdefault(index, []).append(one)

    def convolutions(self) -> tuple[FoundConvolution, ...]:
        """Fully connected layers are pointwise convolutions; those of two activations are no layers."""
        operators = (one for one in self._graph.operators if one.name in _CONVOLUTIONS)
        return tuple(self._convolution(one) for one in operators if self._constant(one.inputs[1]) is not None)

    def _convolution(self, operator: Operator) -> FoundConvolution:
        given, weight = operator.inputs[:2]
        made = operator.outputs[0]
        takers = self._takers.get(made, [])
        if len(takers) == 1 and takers[0].name in _ACTIVATIONS:
            made = takers[0].outputs[0]
        tensor = self._constant(weight)
        assert tensor is not None
        assert tensor.data is not None
        scales = _scales(tensor)
        kernel = tensor.data.astype(np.float32)
        if scales is not None:
            zero, shape = tensor.zero_points.astype(np.float32), [1] * kernel.ndim
            shape[tensor.channel_axis if len(scales) > 1 else 0] = -1
            kernel = (kernel - zero.reshape(shape)) * scales.reshape(shape)
        kernel = _channels_first(kernel, depthwise=operator.name == "DEPTHWISE_CONV_2D")
        held = None if scales is None else np.broadcast_to(scales, len(kernel))
        inputs, outputs = self._range(given), self._range(made)
        stored = f"fp{8 * tensor.data.dtype.itemsize}" if tensor.data.dtype.kind == "f" else "int8"
        arithmetic = Arithmetic.INT8 if inputs is not None and outputs is not None else Arithmetic.FP32
        return FoundConvolution(f"tensor {made}", kernel, arithmetic, stored, held, inputs, outputs)

    def _constant(self, index: int) -> TensorFacts | None:
        """A tensor with data, or that which a conversion makes of one."""
        tensor = self._graph.tensors[index]
        if tensor.data is not None:
            return tensor
        maker = self._makers.get(index)
        return self._constant(maker.inputs[0]) if maker is not None and maker.name == "DEQUANTIZE" else None

    def _range(self, index: int) -> Range | None:
        tensor = self._graph.tensors[index]
        if tensor.dtype not in ("INT8", "UINT8") or not len(tensor.scales):
            return None
        return signed(tensor.scales[0], tensor.zero_points[0], unsigned=tensor.dtype == "UINT8")


def _scales(tensor: TensorFacts) -> Array | None:
    return tensor.scales.astype(np.float32) if len(tensor.scales) else None


def _channels_first(kernel: Array, *, depthwise: bool) -> Array:
    """`[Cout, Cin/groups, KH, KW]` of TFLite's `[Cout, KH, KW, Cin]`, `[1, KH, KW, Cout]` or `[Cout, Cin]`."""
    if kernel.ndim == 2:
        return kernel[:, :, None, None]
    return kernel.transpose(3, 0, 1, 2) if depthwise else kernel.transpose(0, 3, 1, 2)
