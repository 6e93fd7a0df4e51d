"""A converted graph's trace has its engine's outputs, and shows which operator has a wrong weight."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export.activations import Activations, record_activations
from export.ladder.bisection import FUSIONS, bisect
from export.ladder.converted import trace_converted
from export.ladder.program import export_program, trace_program
from export.ladder.trace import Trace
from export.parity import GATES, compare
from export.pipeline import export_bundle
from export.targets import TARGETS
from mobilevos.bundle import Bundle
from mobilevos.contract import COMPONENTS
from mobilevos.engines.eager import EagerEngine
from mobilevos.model.checkpoint import load_network
from mobilevos.model.components import build_components
from mobilevos.model.folding import fold_batch_norm


@pytest.fixture(scope="module")
def activations(random_checkpoint: Path) -> Activations:
    network = load_network(random_checkpoint)
    return record_activations(EagerEngine(network), network.dimensions(64, 96, 2, 1))


@pytest.fixture(scope="module")
def programs(random_checkpoint: Path, activations: Activations) -> dict[str, Trace]:
    """The trace of each component's exported program."""
    traces = {}
    for name, module in build_components(fold_batch_norm(load_network(random_checkpoint))).items():
        inputs = tuple(torch.from_numpy(array).clone() for array in activations[name][0])
        traces[name] = trace_program(export_program(module, inputs), inputs)
    return traces


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_trace_ends_with_the_outputs_of_the_component(
    component: str, traceable: str, bundle_of: Callable[[str], Path], activations: Activations
) -> None:
    inputs, expected = activations[component]
    trace = trace_converted(Bundle.open(bundle_of(traceable)), component, inputs)
    for name, output in zip(trace.outputs, expected, strict=True):
        assert GATES["fp32"].passes(compare(np.ascontiguousarray(output), trace.step(name).value))


@pytest.mark.parametrize("component", COMPONENTS)
def test_no_operator_of_a_good_bundle_is_suspected(
    component: str,
    traceable: str,
    bundle_of: Callable[[str], Path],
    activations: Activations,
    programs: dict[str, Trace],
) -> None:
    trace = trace_converted(Bundle.open(bundle_of(traceable)), component, activations[component][0])
    assert bisect(component, programs[component], trace, GATES["fp32"]).remark == FUSIONS


def test_the_operator_with_a_wrong_weight_is_named(
    traceable: str, fault: Any, activations: Activations, programs: dict[str, Trace]
) -> None:
    trace = trace_converted(Bundle.open(fault.bundle, verify=False), "decode", activations["decode"][0])
    verdict = bisect("decode", programs["decode"], trace, GATES["fp32"])
    assert (verdict.operator, verdict.tensor) == (fault.operator, fault.tensor)
    assert verdict.source.startswith("network.decoder.")
    assert "mobilevos/model/" in verdict.source
    assert verdict.before is not None
    assert GATES["fp32"].passes(verdict.before)
    assert verdict.after is not None
    assert not GATES["fp32"].passes(verdict.after)


@pytest.mark.onnx
def test_an_operator_with_a_wrong_attribute_is_named(
    bundle_of: Callable[[str], Path], tmp_path: Path, activations: Activations, programs: dict[str, Trace]
) -> None:
    import onnx

    folder = tmp_path / "onnx"
    shutil.copytree(bundle_of("onnx"), folder)
    model = onnx.load(folder / "decode.onnx")
    node = next(one for one in model.graph.node if one.op_type == "Resize")
    mode = next(one for one in node.attribute if one.name == "coordinate_transformation_mode")
    mode.s = b"asymmetric"
    onnx.save(model, folder / "decode.onnx")
    trace = trace_converted(Bundle.open(folder, verify=False), "decode", activations["decode"][0])
    verdict = bisect("decode", programs["decode"], trace, GATES["fp32"])
    assert (verdict.operator, verdict.tensor) == ("Resize", node.output[0])


@pytest.mark.slow
@pytest.mark.tflite
def test_channels_last_at_the_boundary_are_no_difference(
    random_checkpoint: Path, tmp_path: Path, activations: Activations, programs: dict[str, Trace]
) -> None:
    network, target = load_network(random_checkpoint), TARGETS["tflite"]
    options = target.load().Options(nhwc=True)
    export_bundle(target, network, network.dimensions(64, 96, 2, 1), tmp_path / "nhwc", options=options)
    trace = trace_converted(Bundle.open(tmp_path / "nhwc"), "decode", activations["decode"][0])
    assert bisect("decode", programs["decode"], trace, GATES["fp32"]).remark == FUSIONS
