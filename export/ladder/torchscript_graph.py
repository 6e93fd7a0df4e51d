"""The trace of a component in TorchScript: every tensor of the frozen graph is made one of its outputs."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from export.ladder.trace import Trace, TraceRecorder, record_inputs
from mobilevos.bundle import Bundle
from mobilevos.engines.engine import Array

__all__ = ["trace"]


def trace(bundle: Bundle, component: str, inputs: tuple[Array, ...]) -> Trace:
    """See `export.ladder.converted.trace_converted`. The bundle must have been verified: see the engine."""
    path, _ = bundle.artefact(component)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript is deprecated
        graph = torch.jit.load(path, map_location="cpu").inlined_graph.copy()  # type: ignore[no-untyped-call]
    torch._C._jit_pass_remove_mutation(graph)  # an activation in place would change what the operator before it made
    outputs = _single_outputs(graph)
    nodes = list(graph.nodes())
    values = _run(graph, [value for node in nodes for value in node.outputs() if _is_tensor(value)], inputs)
    recorder = TraceRecorder()
    record_inputs(recorder, (value.debugName() for value in graph.inputs()), inputs)
    for node in nodes:
        taken = [value.debugName() for value in node.inputs()]
        for value in node.outputs():
            recorder.add(value.debugName(), node.kind(), taken, values.get(value.debugName()))
    return recorder.trace(outputs)


def _single_outputs(graph: Any) -> list[str]:
    """Names of the tensors that a graph returns, one by one or in a tuple."""
    (returned,) = graph.outputs()
    node = returned.node()
    tensors = node.inputs() if node.kind() == "prim::TupleConstruct" else [returned]
    return [value.debugName() for value in tensors]


def _is_tensor(value: Any) -> bool:
    return isinstance(value.type(), torch._C.TensorType)


def _run(graph: Any, wanted: list[Any], inputs: tuple[Array, ...]) -> dict[str, torch.Tensor]:
    """Runs a graph, which is changed, and gives the tensors asked for by name."""
    graph.eraseOutput(0)
    everything = graph.appendNode(graph.create("prim::TupleConstruct", wanted, 1))
    everything.output().setType(torch._C.TupleType([value.type() for value in wanted]))
    graph.registerOutput(everything.output())
    graph.eraseInput(0)  # the module, whose weights are constants once it is frozen
    function = torch._C._create_function_from_graph("forward", graph)
    with torch.inference_mode():
        results = function(*map(torch.from_numpy, inputs))
    return {value.debugName(): result for value, result in zip(wanted, results, strict=True)}
