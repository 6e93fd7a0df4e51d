"""The trace of a saved Core ML program, evaluated by the MIL interpreter."""

from __future__ import annotations

import torch
from torch import Tensor

from export.ladder.trace import Trace, TraceRecorder, record_inputs
from mobilevos.bundle import Bundle
from mobilevos.engines.engine import Array
from mobilevos.engines.mil import Interpreter, MilOperation, MilTensor, read_functions

__all__ = ["trace"]


def trace(bundle: Bundle, component: str, inputs: tuple[Array, ...]) -> Trace:
    """See `export.ladder.converted.trace_converted`."""
    path, name = bundle.artefact(component)
    own = bundle.artefact_signature(component)
    interpreter = Interpreter(read_functions(path)[name], str(path))
    declared = {tensor.name: tensor for tensor in interpreter.function.inputs}
    given = {spec.name: _given(array, declared[spec.name]) for spec, array in zip(own.inputs, inputs, strict=True)}
    recorder = TraceRecorder()
    record_inputs(recorder, given, inputs)

    def observe(operation: MilOperation, result: Tensor) -> None:
        recorder.add(operation.output.name, operation.operator, operation.operand_names, result)

    interpreter(given, observe)
    return recorder.trace([spec.name for spec in own.outputs])


def _given(array: Array, tensor: MilTensor) -> Tensor:
    """An input as the program takes it: an image in whole levels of 0..255."""
    value = torch.from_numpy(array)
    return (value * 255).round() if tensor.image else value
