"""The trace of a component in LiteRT, by its own kernels: XNNPACK's delegate keeps no tensors between operators."""

from __future__ import annotations

from typing import Any

import numpy as np

from export.ladder.trace import Trace, TraceRecorder, record_inputs
from export.tflite_model import single_signature
from mobilevos.bundle import Bundle
from mobilevos.contract import TensorSpec
from mobilevos.engines.engine import Array
from mobilevos.engines.native_stderr import capture_native_stderr

__all__ = ["trace"]


def trace(bundle: Bundle, component: str, inputs: tuple[Array, ...]) -> Trace:
    """See `export.ladder.converted.trace_converted`."""
    path, name = bundle.artefact(component)
    interpreter = _interpreter(single_signature(path.read_bytes(), name))
    own = bundle.artefact_signature(component)
    runner = interpreter.get_signature_runner(name)
    given = {spec.name: _laid_out(array, spec) for spec, array in zip(own.inputs, inputs, strict=True)}
    runner(**given)
    recorder = TraceRecorder()
    details = runner.get_input_details()
    record_inputs(recorder, (_name(details[one]["index"]) for one in given), given.values())
    for operator in interpreter._get_ops_details():
        taken = [_name(index) for index in operator["inputs"] if index >= 0]  # -1 is an optional one left out
        for index in operator["outputs"]:
            recorder.add(_name(index), operator["op_name"], taken, _real(interpreter, index))
    made = runner.get_output_details()
    return recorder.trace([_name(made[spec.name]["index"]) for spec in own.outputs])


def _interpreter(model: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    with capture_native_stderr():
        interpreter = Interpreter(
            model_content=model,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        interpreter.allocate_tensors()
    return interpreter


def _real(interpreter: Any, index: int) -> Array:
    """A tensor, or the real numbers that its integers stand for, where it has one scale."""
    value: Array = interpreter.get_tensor(index)
    scale, zero_point = interpreter._get_tensor_details(index, 0)["quantization"]
    if value.dtype.kind == "f" or scale == 0:
        return value
    return (value.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


def _name(index: int) -> str:
    """A tensor's: its own name is a long path of the converter's, and need not be unique."""
    return f"tensor {index}"


def _laid_out(array: Array, spec: TensorSpec) -> Array:
    return array.transpose(0, 2, 3, 1).copy() if spec.layout == "NHWC" else array
