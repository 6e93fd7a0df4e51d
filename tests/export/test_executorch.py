"""ExecuTorch: one program with a method per component, delegated to XNNPACK in one piece."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from export.executorch import PROGRAM, Options
from export.executorch_backends import BACKENDS, BackendName
from export.half_precision import in_precision
from export.lowering import lower
from export.pipeline import export_bundle
from export.targets import TARGETS
from mobilevos.bundle import Bundle
from mobilevos.contract import COMPONENTS, signature
from mobilevos.data.synthetic import SyntheticClip
from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.executorch import ExecutorchEngine
from mobilevos.errors import InputError
from mobilevos.model.checkpoint import load_network
from mobilevos.model.components import build_components, example_inputs
from mobilevos.model.folding import fold_batch_norm
from mobilevos.tracking import Tracker

pytestmark = pytest.mark.executorch


def test_everything_is_delegated_in_one_piece(small_bundle: Path) -> None:
    components = Bundle.open(small_bundle).manifest["components"]
    assert set(components) == set(COMPONENTS)
    for name, component in components.items():
        operators = component["operators"]
        assert operators["left"] == [], name
        assert operators["subgraphs"] == 1, name
        assert operators["delegated"] > operators["plumbing"], name


def test_all_methods_are_in_one_file_which_stores_what_they_share_once(small_bundle: Path) -> None:
    manifest = Bundle.open(small_bundle).manifest
    assert [name for name in manifest["files"] if not name.startswith(("golden/", "parity/"))] == [PROGRAM]
    assert {name: one["method"] for name, one in manifest["components"].items()} == {name: name for name in COMPONENTS}
    alone = sum(component["size_bytes"] for component in manifest["components"].values())
    assert manifest["files"][PROGRAM]["bytes"] < 0.8 * alone


@pytest.mark.slow
def test_in_float16_only_conversions_are_left_outside(random_checkpoint: Path) -> None:
    """At the boundary, and behind the stem."""
    network = load_network(random_checkpoint)
    dimensions = network.dimensions(32, 48, 2, 1)
    components = in_precision(build_components(fold_batch_norm(network)), "fp16")
    generator = torch.Generator().manual_seed(0)
    inputs = {name: example_inputs(name, dimensions, generator) for name in components}
    for name, report in lower(components, inputs).operators.items():
        contract, stems = signature(name, dimensions), int(name in ("encode_query", "segment"))
        # The image is not converted, what the stem makes of it is.
        conversions = len(contract.inputs) + len(contract.outputs)
        assert report.subgraphs == 1 + stems, name
        assert {(one.operator, one.count) for one in report.left} == {
            ("dim_order_ops__to_dim_order_copy_default", conversions)
        }, name


@pytest.mark.slow
@pytest.mark.parametrize("backend", [BackendName.COREML, BackendName.VULKAN])
def test_a_program_that_cannot_run_here_is_whole_and_says_that_it_was_not_executed(
    random_checkpoint: Path, tmp_path: Path, backend: BackendName
) -> None:
    network = load_network(random_checkpoint)
    dimensions, output = network.dimensions(32, 48, 2, 1), tmp_path / "bundle"
    report = export_bundle(TARGETS["executorch"], network, dimensions, output, options=Options(backend))
    assert report.all_delegated
    assert report.accelerator == BACKENDS[backend].title
    assert report.not_executed
    assert report.closed_loop is None
    assert {one.operators.subgraphs for one in report.components.values()} == {1}
    assert {one.measured for one in report.components.values()} == {None}
    bundle = Bundle.open(output)
    assert "parity" not in bundle.manifest
    assert bundle.manifest["golden"]["frames"] == 30
    with pytest.raises(InputError, match="does not run here; found"):
        ExecutorchEngine(bundle)


@pytest.mark.slow
def test_end_to_end(random_checkpoint: Path, tmp_path: Path) -> None:
    """For frames of 60x90 and two objects; then its bundle tracks one, two and three objects as PyTorch does."""
    output, facts = tmp_path / "bundle", tmp_path / "report.json"
    options = ["--checkpoint", random_checkpoint, "--model", "mobilenet_v2", "--size", "60x90", "--objects", "2"]
    finished = subprocess.run(
        [sys.executable, "-m", "export.executorch", *options, "--output", output, "--json", facts, "--strict"],
        cwd=Path(__file__).resolve().parents[2],
        env=os.environ | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr

    for name in COMPONENTS:
        (line,) = (line for line in finished.stdout.splitlines() if f" {name} " in line)
        assert " none " in line
    assert "SQNR" in finished.stdout
    report = json.loads(facts.read_text())
    assert report["all_delegated"]
    assert list(report["components"]) == list(COMPONENTS)

    bundle = Bundle.open(output)
    assert (bundle.dimensions.height, bundle.dimensions.width, bundle.dimensions.objects) == (64, 96, 2)
    engines = EagerEngine(load_network(random_checkpoint)), ExecutorchEngine(bundle)
    for objects in (1, 2, 3):
        clip = SyntheticClip(objects, 4, (60, 90), objects=objects)
        trackers = [Tracker(engine, memory_every=2) for engine in engines]
        for index, frame in enumerate(clip):
            mask = clip.mask(0) if index == 0 else None
            expected, actual = (tracker.step(frame, mask).probabilities for tracker in trackers)
            np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4)
