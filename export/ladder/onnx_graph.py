"""The trace of a component in ONNX Runtime: every tensor of the graph is made one of its outputs."""

from __future__ import annotations

from typing import Any

from export.ladder.trace import Trace, TraceRecorder, record_inputs
from mobilevos.bundle import Bundle
from mobilevos.engines.engine import Array

__all__ = ["trace"]


def trace(bundle: Bundle, component: str, inputs: tuple[Array, ...]) -> Trace:
    """See `export.ladder.converted.trace_converted`. The runtime's own fusions are off: they would hide tensors."""
    import onnx

    path, _ = bundle.artefact(component)
    graph = onnx.load(path).graph
    names = [one.name for one in graph.input]
    values = _run(path.read_bytes(), dict(zip(names, inputs, strict=True)))
    recorder = TraceRecorder()
    record_inputs(recorder, names, inputs)
    for node in graph.node:
        for output in filter(None, node.output):  # an output left out has no name
            recorder.add(output, node.op_type, node.input, values[output])
    return recorder.trace([one.name for one in graph.output])


def _run(model: bytes, inputs: dict[str, Array]) -> dict[str, Any]:
    """Every tensor that the nodes make, by name."""
    import onnx
    import onnxruntime

    whole = onnx.ModelProto.FromString(model)
    names = [output for node in whole.graph.node for output in node.output if output]
    del whole.graph.output[:]
    whole.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(whole.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(names, inputs), strict=True))
