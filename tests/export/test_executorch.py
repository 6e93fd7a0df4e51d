"""`python -m export.executorch`: a checkpoint becomes a bundle as a whole, or nothing is left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.executorch import PROGRAM, _check, export_executorch, main, parse_size
from export.lowering import LoweredProgram
from export.parity import FP32_GATE
from mobilevos.bundle import Bundle
from mobilevos.contract import COMPONENTS
from mobilevos.data.synthetic import SyntheticClip
from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.executorch import ExecutorchEngine
from mobilevos.errors import InputError
from mobilevos.files import sha256_of
from mobilevos.model.checkpoint import load_network, save_network
from mobilevos.model.variants import build_network
from mobilevos.tracking import Tracker

# Sizes


@given(st.integers(1, 99_999), st.integers(1, 99_999), st.sampled_from("xX"))
def test_a_size_is_raised_to_multiples_of_16_and_no_further(height: int, width: int, x: str) -> None:
    for given_side, side in zip((height, width), parse_size(f"{height}{x}{width}"), strict=True):
        assert side % 16 == 0
        assert given_side <= side < given_side + 16


@pytest.mark.parametrize(
    "text", ["", "x", "480", "480x", "x864", "480x864x3", "0x64", "-1x64", "4.5x64", "480 x 864", "٣x٣", "9" * 6 + "x9"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected HEIGHTxWIDTH in pixels, as 480x864"):
        parse_size(text)


@given(st.text() | st.from_regex(r"\d*x\d*", fullmatch=True))
def test_any_text_is_a_size_or_refused(text: str) -> None:
    try:
        height, width = parse_size(text)
    except InputError:
        return
    assert height % 16 == width % 16 == 0
    assert min(height, width) > 0


# The bundle


@pytest.mark.executorch
def test_everything_is_delegated_in_one_piece(small_bundle: Path) -> None:
    components = Bundle.open(small_bundle).manifest["components"]
    assert set(components) == set(COMPONENTS)
    for name, component in components.items():
        operators = component["operators"]
        assert operators["left"] == [], name
        assert operators["subgraphs"] == 1, name
        assert operators["delegated"] > operators["plumbing"], name


@pytest.mark.executorch
def test_the_manifest_proves_that_the_numbers_are_the_references(small_bundle: Path) -> None:
    for name, component in Bundle.open(small_bundle).manifest["components"].items():
        parity = component["parity"]
        assert 0 <= parity["relative"] <= FP32_GATE, name
        assert parity["sqnr_db"] is None or parity["sqnr_db"] > 80, name


@pytest.mark.executorch
def test_the_manifest_says_where_the_program_comes_from(small_bundle: Path, random_checkpoint: Path) -> None:
    manifest = Bundle.open(small_bundle).manifest
    assert manifest["model"]["variant"] == "mobilenet_v2"
    assert manifest["model"]["checkpoint_sha256"] == sha256_of(random_checkpoint)
    assert {"mobilevos", "torch", "executorch"} <= set(manifest["versions"])
    assert list(manifest["files"]) == [PROGRAM]


@pytest.mark.executorch
def test_a_program_that_computes_something_else_is_refused(small_bundle: Path) -> None:
    other = build_network("mobilenet_v2", seed=9)
    with pytest.raises(
        InputError, match=r"encode_query does not compute what the reference computes; expected .*5e-05"
    ):
        _check(other, other.dimensions(64, 96, 2, 1), small_bundle, LoweredProgram(b"", {}, {}))


# As a whole or not at all


class InterruptionError(Exception):
    """Stands for anything that goes wrong on the way."""


def interrupt(stage: str) -> None:
    raise InterruptionError(stage)


@pytest.mark.executorch
def test_an_export_that_fails_leaves_nothing(tmp_path: Path) -> None:
    network = build_network("mobilenet_v2")
    with pytest.raises(InterruptionError):
        export_executorch(network, network.dimensions(64, 96, 2, 1), tmp_path / "new", advance=interrupt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.executorch
def test_an_export_that_fails_leaves_the_old_bundle(tmp_path: Path) -> None:
    network = build_network("mobilenet_v2")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "manifest.json").write_text("old")
    with pytest.raises(InterruptionError):
        export_executorch(
            network, network.dimensions(64, 96, 2, 1), tmp_path / "old", overwrite=True, advance=interrupt
        )
    assert (tmp_path / "old" / "manifest.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.executorch
def test_an_existing_output_is_refused_before_any_work(tmp_path: Path) -> None:
    network = build_network("mobilenet_v2")
    with pytest.raises(InputError, match="exists already; pass --overwrite"):
        export_executorch(network, network.dimensions(64, 96, 2, 1), tmp_path, advance=interrupt)


@pytest.mark.executorch
def test_a_teacher_with_top_k_is_refused_before_any_work(tmp_path: Path) -> None:
    teacher = build_network("teacher_mobilenet_v2")
    with pytest.raises(InputError, match="teacher_mobilenet_v2 reads the memory with top-k; expected a student"):
        export_executorch(teacher, teacher.dimensions(64, 96, 2, 1), tmp_path / "new", advance=interrupt)
    assert list(tmp_path.iterdir()) == []


# The command


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--size", "480"], "--size '480'; expected HEIGHTxWIDTH"),
        (["--size", "\x1b[2J"], "expected HEIGHTxWIDTH"),
        (["--memory-frames", "0"], "memory-frames"),
        (["--objects", "0"], "objects"),
        (["--objects", "two"], "objects"),
        (["--precision", "int8"], "--precision"),
        (["--model", "mobilenet_v9"], "mobilenet_v9"),
        (
            ["--model", "resnet18"],
            "holds another network; expected resnet18; found mobilenet_v2; pass --model mobilenet_v2",
        ),
        (["--checkpoint", "nowhere.safetensors"], "nowhere.safetensors"),
        (["--output", "."], ". exists already; pass --overwrite to replace it"),
    ],
)
def test_bad_options_end_with_one_line(
    arguments: list[str], words: str, random_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = [] if "--checkpoint" in arguments else ["--checkpoint", str(random_checkpoint)]
    assert main([*checkpoint, *arguments]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.count("\n") == 1
    assert captured.err.rstrip("\n").isprintable()


@pytest.mark.executorch
def test_a_teacher_is_refused_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    teacher = tmp_path / "teacher.safetensors"
    save_network(build_network("teacher_mobilenet_v2"), teacher, provenance={})
    assert main(["--checkpoint", str(teacher), "--output", str(tmp_path / "out")]) == 2
    assert "top-k" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def run_module(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "export.executorch", *arguments],
        cwd=Path(__file__).resolve().parents[2],
        env=os.environ | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_process_tells_of_an_error_by_its_exit_code() -> None:
    assert run_module("--size", "banana").returncode == 2


@pytest.mark.slow
@pytest.mark.executorch
def test_end_to_end(random_checkpoint: Path, tmp_path: Path) -> None:
    """For frames of 60x90 and two objects; then its bundle tracks one, two and three objects as PyTorch does."""
    output, facts = tmp_path / "bundle", tmp_path / "report.json"
    options = ["--checkpoint", random_checkpoint, "--model", "mobilenet_v2", "--size", "60x90", "--objects", "2"]
    finished = run_module(*options, "--output", output, "--json", facts, "--strict")
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
