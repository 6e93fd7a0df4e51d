"""The convolutions of Core ML packages, read from their programs.

Nothing in a package says that a convolution is computed in integers. Where a dequantize comes before it, a quantize
after it and its kernel is stored in 8 bits, Core ML may do so on the device: `Arithmetic.INT8_PAIR`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import torch
from torch import Tensor

from export.ladder.coreml_graph import trace
from export.quantization.artefacts.found import Arithmetic, ArtefactGraph, FoundConvolution, rounded, signed
from mobilevos.bundle import Bundle
from mobilevos.engines.engine import Array
from mobilevos.engines.mil import EVALUATED_BY, MilFunction, MilOperation, read_functions
from mobilevos.engines.mil.operators import OPERATORS
from mobilevos.quantization.ranges import Range

__all__ = ["CoremlGraph"]

_ACTIVATIONS = ("relu", "clip")


class CoremlGraph(ArtefactGraph):
    """A bundle of target `coreml`."""

    measured_by = EVALUATED_BY

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
        return {layer: rounded(made[one.tensor], one.output) for layer, one in layers.items()}

    def _read_component(self, component: str) -> tuple[FoundConvolution, ...]:
        path, name = self._bundle.artefact(component)
        return _Program(read_functions(path)[name]).convolutions()


class _Program:
    """A function, and who makes and takes its tensors."""

    def __init__(self, function: MilFunction) -> None:
        self._function = function
        self._makers = {operation.output.name: operation for operation in function.operations}
        self._takers: dict[str, list[MilOperation]] = {}
        for operation in function.operations:
            for name in operation.operand_names:
                self._takers.setdefault(name, []).append(operation)

    def convolutions(self) -> tuple[FoundConvolution, ...]:
        return tuple(self._convolution(one) for one in self._function.operations if one.operator == "conv")

    def _convolution(self, operation: MilOperation) -> FoundConvolution:
        kernel, stored, scales = self._kernel(str(operation.operands["weight"]))
        tensor = self._activated(operation.output.name)
        given, made = self._range_before(str(operation.operands["x"])), self._range_after(tensor)
        half = operation.output.dtype == torch.float16
        arithmetic = Arithmetic.FP16 if half else Arithmetic.FP32
        if given is not None and made is not None and stored == "int8":
            arithmetic = Arithmetic.INT8_PAIR
        return FoundConvolution(tensor, kernel, arithmetic, stored, scales, given, made)

    def _kernel(self, name: str) -> tuple[Array, str, Array | None]:
        """The numbers of a kernel, how it is stored, and its scales."""
        constants = self._function.constants
        if name in constants:
            stored = "fp16" if constants[name].dtype == torch.float16 else "fp32"
            return constants[name].float().numpy(), stored, None
        maker = self._makers[name]
        operands = {key: self._constant(operand) for key, operand in maker.operands.items()}
        kernel = OPERATORS[maker.operator](**operands, **maker.parameters).float().numpy()
        if not maker.operator.startswith("constexpr_"):  # a weight in float16 that is cast
            return kernel, "fp16", None
        scale = operands.get("scale", maker.parameters.get("scale"))
        scales = np.asarray(scale, np.float32).reshape(-1)
        return kernel, "int8", np.broadcast_to(scales, len(kernel))

    def _constant(self, operand: str | tuple[str, ...]) -> Tensor:
        assert isinstance(operand, str)
        return self._function.constants[operand].float()

    def _activated(self, name: str) -> str:
        """The tensor after the activation function, if one alone follows."""
        takers = self._takers.get(name, [])
        return takers[0].output.name if len(takers) == 1 and takers[0].operator in _ACTIVATIONS else name

    def _range_before(self, name: str) -> Range | None:
        maker = self._makers.get(name)
        if maker is None or maker.operator != "dequantize":
            return None
        return _range(maker, self._makers[str(maker.operands["input"])].output.dtype)

    def _range_after(self, name: str) -> Range | None:
        """Of the quantize that every taker of a tensor is."""
        takers = self._takers.get(name, [])
        if not takers or any(one.operator != "quantize" for one in takers):
            return None
        return _range(takers[0], takers[0].output.dtype)


def _range(operation: MilOperation, dtype: torch.dtype) -> Range:
    scale, zero_point = operation.parameters["scale"], operation.parameters.get("zero_point", 0)
    return signed(float(str(scale)), int(str(zero_point)), unsigned=dtype == torch.uint8)
