"""The runner reproduces the golden clip of bundles of every precision: natively, and for arm64 under an emulator."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.runner.golden import judge_output, main, reproduce_golden, write_golden_clip
from benchmarks.runner.payload import Payload
from export.parity import SUMS_IN_HALF_DB
from export.pipeline import export_bundle
from export.targets import TARGETS
from mobilevos.bundle import Bundle
from mobilevos.engines.executorch import ExecutorchEngine
from mobilevos.errors import InputError
from mobilevos.golden import read_golden, record
from mobilevos.model.checkpoint import load_network
from mobilevos.quantization.stored import load_stored
from mobilevos.weights import default_checkpoint, default_int8_checkpoint

pytestmark = [pytest.mark.runner, pytest.mark.executorch]

QEMU = ["qemu-aarch64-static", "-cpu", "cortex-a76"]


def export(checkpoint: Path, output: Path, size: tuple[int, int], *, objects: int = 1, **options: Any) -> Bundle:
    network = load_network(checkpoint)
    export_bundle(TARGETS["executorch"], network, network.dimensions(*size, 2, objects), output, **options)
    return Bundle.open(output)


def test_masks_and_tensors_are_the_references(runner: Callable[..., Any], small_bundle: Path, tmp_path: Path) -> None:
    """Object 2 appears at frame 10: from there on two groups take turns in a program for one object."""
    bundle = Bundle.open(small_bundle)
    clip = write_golden_clip(bundle, tmp_path / "clip")
    outcome = runner(small_bundle, clip.folder, "--trace")
    assert (outcome.code, outcome.err) == (0, "")
    loop = judge_output(bundle, outcome.output)
    assert loop.passed, loop.checks
    assert set(loop.tensors) == {"key", "memory_key", "memory_value", "logits", "readout"}
    reference, _ = read_golden(bundle)
    different = outcome.masks != np.stack([step.labels for step in reference.steps])
    assert different.sum() <= 5  # of 184,320 pixels of a student that learnt nothing, and is unsure everywhere


def test_each_component_alone_computes_the_same(runner: Callable[..., Any], small_bundle: Path, tmp_path: Path) -> None:
    clip = write_golden_clip(Bundle.open(small_bundle), tmp_path / "clip").folder
    fused, single = (
        runner(small_bundle, clip, "--trace", *flags, output=tmp_path / name)
        for name, flags in (("fused", ()), ("single", ("--components",)))
    )
    assert judge_output(Bundle.open(small_bundle), single.output).passed
    assert (single.masks != fused.masks).sum() <= 5
    assert "segment" in fused.record["steps"][1]["components"]
    assert set(single.record["steps"][1]["components"]) == {"encode_query", "read_memory", "decode"}


@pytest.mark.slow
def test_the_shipped_student_in_float16_and_for_two_objects_a_call(host: Payload, tmp_path: Path) -> None:
    for precision, objects in (("fp32", 2), ("fp16", 1)):
        least = SUMS_IN_HALF_DB if precision == "fp16" else None
        bundle = export(
            default_checkpoint(),
            tmp_path / precision,
            (96, 160),
            objects=objects,
            precision=precision,
            least_sqnr_db=least,
        )
        loop = reproduce_golden(host, bundle)
        assert loop.passed, loop.checks
        assert loop.worst_iou is not None
        assert loop.engine["engine"] == f"executorch-{precision}"
        if precision == "fp32":
            assert all(one.iou == 1 for frame in loop.frames for one in frame.objects)


@pytest.mark.slow
def test_in_int8_too(host: Payload, tmp_path: Path) -> None:
    trained = default_int8_checkpoint()
    assert trained is not None
    bundle = export(trained, tmp_path / "int8", (96, 160), precision="int8", quantization=load_stored(trained))
    loop = reproduce_golden(host, bundle)
    assert loop.passed, loop.checks
    assert loop.engine["engine"] == "executorch-int8"


@pytest.mark.arm64
def test_for_arm64_it_computes_the_same_under_an_emulator(arm64: Payload, small_bundle: Path) -> None:
    """Its own loader and libc start it: no system of that architecture is needed. Times would mean nothing."""
    bundle = Bundle.open(small_bundle)
    loop = reproduce_golden(arm64, bundle, emulator=QEMU)
    assert loop.passed, loop.checks
    assert loop.worst_iou is not None
    assert loop.worst_iou > 0.998


def test_python_and_it_agree_on_every_number(runner: Callable[..., Any], small_bundle: Path, tmp_path: Path) -> None:
    """Both call the same kernels: what is left is the rounding of exp and log in the loop."""
    bundle = Bundle.open(small_bundle)
    clip = read_golden(bundle)[0].clip
    outcome = runner(small_bundle, write_golden_clip(bundle, tmp_path / "clip").folder, "--trace")
    own = record(ExecutorchEngine(bundle), clip)
    trace = json.loads((outcome.output / "trace.json").read_text())
    tensors = np.fromfile(outcome.output / "tensors.f32", "<f4")
    for step, found in zip(own.steps, trace["steps"], strict=True):
        assert [write["slot"] for write in found["writes"]] == [write.slot for write in step.writes]
        for call, told in zip(step.calls, found["calls"], strict=True):
            assert (told["component"], told["group"], tuple(told["ids"])) == (call.component, call.group, call.ids)
            for name, sums in call.sums.items():
                assert told["sums"][name] == pytest.approx(sums, rel=1e-5, abs=1e-2)
            for one in told["tensors"]:
                expected = call.tensors[one["name"]].ravel()
                actual = tensors[one["offset"] // 4 :][: expected.size]
                np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_the_command_says_what_passed(host: Payload, small_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(small_bundle), "--runner", str(host.folder)]) == 0
    assert capsys.readouterr().out.count("passed") == 6


def test_a_runner_that_fails_is_one_line(host: Payload, small_bundle: Path, tmp_path: Path) -> None:
    bundle = Bundle.open(shutil.copytree(small_bundle, tmp_path / "bundle"))
    (bundle.folder / "mobilevos.pte").unlink()
    with pytest.raises(InputError, match=r"the runner failed; found .*cannot read .*mobilevos\.pte"):
        reproduce_golden(host, bundle)
