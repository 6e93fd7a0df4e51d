"""Int8 in ExecuTorch: XNNPACK takes the quantized program whole, and computes what PyTorch computes with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from export.activations import record_activations
from export.executorch import PROGRAM, Options
from export.int8_executorch import build_int8, with_own_conversions
from export.ladder.executorch_prefixes import run_lowered
from export.lowering import lower
from export.parity import compare
from export.targets import BuildRequest, NoOptions
from mobilevos.contract import Dimensions
from mobilevos.engines.eager import EagerEngine
from mobilevos.model.components import build_components
from mobilevos.model.folding import fold_batch_norm
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.program import QuantizedNetwork
from mobilevos.quantization.sites import operator_of

pytestmark = [pytest.mark.executorch, pytest.mark.slow]


def test_the_decoder_is_delegated_whole_smaller_and_the_same(
    student: MemoryNetwork, small_dimensions: Dimensions, quantized_student: QuantizedNetwork, tmp_path: Path
) -> None:
    from executorch.runtime import Runtime

    activations = record_activations(EagerEngine(student), small_dimensions)
    request = BuildRequest({}, small_dimensions, "int8", activations, Options())
    stages: list[str] = []
    program = quantized_student.programs["decode"]
    (artefact,) = build_int8(
        request, replace(quantized_student, programs={"decode": program}), tmp_path, stages.append
    ).values()
    assert len(stages) == 3
    assert artefact.operators.left == ()
    assert artefact.operators.subgraphs == 1
    json.dumps(artefact.details)

    component = build_components(fold_batch_norm(student).to(memory_format=torch.contiguous_format))["decode"]  # type: ignore[call-overload]
    inputs = request.inputs("decode")
    in_float = lower({"decode": component}, {"decode": inputs}).method_bytes["decode"]
    assert artefact.size_bytes < 0.32 * in_float

    loaded = Runtime.get().load_program(tmp_path / PROGRAM)  # kept: a method does not hold its program
    method = loaded.load_method("decode")
    (actual,) = method.execute(inputs)
    with torch.no_grad():
        expected = program(*inputs)
    # One step of the 8 bits, here and there, where a sum lies half-way between two: no more than in another order.
    assert compare(expected.numpy(), np.ascontiguousarray(actual.numpy())).sqnr_db > 25


def test_the_fused_step_computes_the_same(
    student: MemoryNetwork, small_dimensions: Dimensions, quantized_student: QuantizedNetwork
) -> None:
    """In which the key is read by the memory read and handed out too."""
    activations = record_activations(EagerEngine(student), small_dimensions)
    inputs = BuildRequest({}, small_dimensions, "int8", activations, NoOptions()).inputs("segment")
    program = quantized_student.programs["segment"]
    own = with_own_conversions(program)
    conversions = [node for node in own.graph.nodes if operator_of(node) == "dequantize_per_tensor"]
    assert all(len(node.users) == 1 for node in conversions)
    with torch.no_grad():
        expected = program(*inputs)
        assert all(torch.equal(one, other) for one, other in zip(expected, own(*inputs), strict=True))
    for right, actual in zip(expected, run_lowered(own, inputs), strict=True):
        assert compare(right.numpy(), np.ascontiguousarray(actual.numpy())).sqnr_db > 18
