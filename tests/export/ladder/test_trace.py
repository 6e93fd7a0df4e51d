"""A recorder keeps the graph of real numbers that depend on the inputs, and nothing else."""

from __future__ import annotations

import numpy as np
import torch

from export.ladder.trace import INPUT, TraceRecorder, record_inputs

ONES = np.ones((1, 2), np.float32)


def test_steps_come_in_the_order_of_execution_with_what_they_were_made_from() -> None:
    recorder = TraceRecorder()
    record_inputs(recorder, ["x"], [ONES])
    recorder.add("y", "relu", ["x"], torch.ones(1, 2, dtype=torch.float16), "network.head, a.py:3")
    trace = recorder.trace(["y"])
    assert [(step.name, step.operator, step.inputs) for step in trace.steps] == [
        ("x", INPUT, ()),
        ("y", "relu", ("x",)),
    ]
    assert trace.step("y").value.dtype == np.float32
    assert trace.step("y").source == "network.head, a.py:3"
    assert trace.outputs == ("y",)


def test_what_depends_on_no_input_is_a_constant() -> None:
    recorder = TraceRecorder()
    record_inputs(recorder, ["x"], [ONES])
    recorder.add("weight", "DEQUANTIZE", ["stored"], ONES)
    recorder.add("y", "matmul", ["x", "weight"], ONES)
    assert [(step.name, step.inputs) for step in recorder.trace(["y"]).steps] == [("x", ()), ("y", ("x",))]


def test_tuples_and_shapes_pass_on_what_they_were_made_from() -> None:
    recorder = TraceRecorder()
    record_inputs(recorder, ["x"], [ONES])
    recorder.add("parts", "split", ["x"], (ONES, ONES))
    recorder.add("shape", "Shape", ["x"], np.array([1, 2]))
    recorder.add("y", "getitem", ["parts", "shape"], ONES)
    assert recorder.trace(["y"]).step("y").inputs == ("x",)


def test_values_are_copied() -> None:
    recorder, value = TraceRecorder(), torch.ones(2)
    record_inputs(recorder, ["x"], [value])
    value.zero_()
    assert recorder.trace(["x"]).step("x").value.tolist() == [1, 1]
