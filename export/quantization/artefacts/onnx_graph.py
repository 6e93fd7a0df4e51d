"""The convolutions that ONNX Runtime executes: not those of the file, but of the graph that it makes of the file.

What it computes in integers is a `QLinearConv` there; what it was not able to fuse is a `Conv` between conversions. The
executed graph is run with each convolution's result as an output, by the same kernels.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from export.int8_onnx import runtime_graph
from export.quantization.artefacts.found import Arithmetic, ArtefactGraph, FoundConvolution, signed
from mobilevos.bundle import Bundle
from mobilevos.engines.engine import Array
from mobilevos.quantization.ranges import Range

__all__ = ["OnnxGraph"]

_FLOAT_CONVOLUTIONS = ("Conv", "FusedConv", "NhwcFusedConv")
_ACTIVATIONS = ("Relu", "Clip")


class OnnxGraph(ArtefactGraph):
    """A bundle of target `onnx`."""

    measured_by = "ONNX Runtime's executed graph, with every layer as an output"

    def __init__(self, bundle: Bundle) -> None:
        self._graph = cache(lambda component: _Executed(runtime_graph(bundle.artefact(component)[0], layouts=False)))

    def convolutions(self, component: str) -> tuple[FoundConvolution, ...]:
        """See `ArtefactGraph`."""
        return self._graph(component).convolutions()

    def additions(self, component: str) -> tuple[Range, ...]:
        """See `ArtefactGraph`."""
        return self._graph(component).additions()

    def values(
        self, component: str, inputs: tuple[Array, ...], layers: Mapping[str, FoundConvolution]
    ) -> dict[str, Array]:
        """See `ArtefactGraph`."""
        return self._graph(component).run(inputs, layers)


class _Executed:
    """An executed graph, and its constants by name."""

    def __init__(self, model: Any) -> None:
        from onnx import numpy_helper

        self._model = model
        self._constants = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
        self._makers = {name: node for node in model.graph.node for name in node.output}
        self._takers: dict[str, list[Any]] = {}
        for node in model.graph.node:
            for name in node.input:
                self._takers.setdefault(name, []).append(node)

    def convolutions(self) -> tuple[FoundConvolution, ...]:
        found = []
        for node in self._model.graph.node:
            if node.op_type == "QLinearConv":
                found.append(self._integer(node))
            elif node.op_type in _FLOAT_CONVOLUTIONS:
                found.append(self._float(node))
        return tuple(found)

    def additions(self) -> tuple[Range, ...]:
        found = (node for node in self._model.graph.node if node.op_type == "QLinearAdd")
        return tuple(self._range(*node.input[6:8]) for node in found)  # after scale and zero point of both operands

    def _integer(self, node: Any) -> FoundConvolution:
        _, x_scale, x_zero, weight, scale, zero, y_scale, y_zero = node.input[:8]
        integers, scales = self._constants[weight], self._constants[scale]
        kernel = _dequantized(integers, scales, self._constants[zero])
        return FoundConvolution(
            node.output[0],
            kernel,
            Arithmetic.INT8,
            "int8",
            np.broadcast_to(scales.astype(np.float32).ravel(), len(kernel)),
            self._range(x_scale, x_zero),
            self._range(y_scale, y_zero),
        )

    def _float(self, node: Any) -> FoundConvolution:
        kernel, scales = self._kernel(node.input[1])
        arithmetic = Arithmetic.FP16 if kernel.dtype == np.float16 else Arithmetic.FP32
        stored = arithmetic.value if scales is None else "int8"
        tensor = node.output[0]
        takers = self._takers.get(tensor, [])
        if len(takers) == 1 and takers[0].op_type in _ACTIVATIONS:
            tensor = takers[0].output[0]
        return FoundConvolution(tensor, kernel.astype(np.float32), arithmetic, stored, scales)

    def _kernel(self, name: str) -> tuple[Any, Array | None]:
        """A constant, or what a conversion makes of one, and the scales if it is stored in integers."""
        if name in self._constants:
            return self._constants[name], None
        maker = self._makers[name]
        if maker.op_type == "DequantizeLinear":
            integers, scales, zero = (self._constants[one] for one in maker.input)
            return _dequantized(integers, scales, zero), np.broadcast_to(scales.ravel(), len(integers))
        return self._kernel(maker.input[0])

    def _range(self, scale: str, zero: str) -> Range:
        zero_point = self._constants[zero]
        return signed(
            float(self._constants[scale]), int(zero_point), unsigned=np.issubdtype(zero_point.dtype, np.unsignedinteger)
        )

    def run(self, inputs: tuple[Array, ...], layers: Mapping[str, FoundConvolution]) -> dict[str, Array]:
        import onnx
        import onnxruntime

        names = [one.name for one in self._model.graph.input]
        whole = onnx.ModelProto()
        whole.CopyFrom(self._model)
        del whole.graph.output[:]
        wanted = list(dict.fromkeys(one.tensor for one in layers.values()))
        whole.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        # It has been optimised, and would not be a second time with other outputs as it was with its own.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(whole.SerializeToString(), options, providers=["CPUExecutionProvider"])
        made = dict(zip(wanted, session.run(wanted, dict(zip(names, inputs, strict=True))), strict=True))
        return {layer: _real(made[one.tensor], one.output) for layer, one in layers.items()}


def _dequantized(integers: Any, scales: Any, zero: Any) -> Array:
    """A kernel `[Cout, ...]` of integers, with a scale for each output channel or one for all."""
    shape = (-1, *[1] * (integers.ndim - 1))
    shifted = integers.astype(np.float32) - zero.astype(np.float32).reshape(shape)
    kernel: Array = shifted * scales.astype(np.float32).reshape(shape)
    return kernel


def _real(value: Any, held: Range | None) -> Array:
    """What an integer tensor stands for; a float one as it is."""
    if value.dtype.kind == "f" or held is None:
        result: Array = value.astype(np.float32)
        return result
    zero_point = held.zero_point + (128 if value.dtype == np.uint8 else 0)
    real: Array = (value.astype(np.float32) - np.float32(zero_point)) * np.float32(held.scale)
    return real
