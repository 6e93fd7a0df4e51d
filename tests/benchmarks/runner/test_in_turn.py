"""A parent that lets the runner step: a line for each step, an entry for each line, and a record when it stops."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.runner.payload import Payload

pytestmark = [pytest.mark.runner, pytest.mark.executorch]

Runner = Callable[..., Any]
FRAMES = 7


def test_it_steps_when_it_is_told_to_and_answers_at_once(
    host: Payload, small_bundle: Path, clip: Path, tmp_path: Path
) -> None:
    folders = ["--bundle", small_bundle, "--clip", clip, "--output", tmp_path / "output"]
    command = [*host.command, *map(str, folders), "--in-turn"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        entries = []
        for _ in range(FRAMES + 2):
            print("step", file=process.stdin, flush=True)
            entries.append(json.loads(process.stdout.readline()))
        assert not (tmp_path / "output" / "run.json").exists()
        print("stop", file=process.stdin, flush=True)
        assert process.wait(30) == 0
    assert [(entry["pass"], entry["frame"]) for entry in entries] == [divmod(i, FRAMES) for i in range(FRAMES + 2)]
    assert json.loads((tmp_path / "output" / "run.json").read_text())["steps"] == entries


def test_its_limits_do_not_end_it_but_stop_does(runner: Runner, small_bundle: Path, clip: Path) -> None:
    limits = ("--steps", 1, "--seconds", 0.001)
    outcome = runner(small_bundle, clip, "--in-turn", *limits, lines="step\n" * 3 * FRAMES + "stop\nstep\n")
    assert outcome.code == 0
    assert len(outcome.record["steps"]) == 3 * FRAMES
    assert outcome.masks.shape == (FRAMES, 64, 96)


@pytest.mark.parametrize("end", ["stop\n", ""])
def test_stopped_before_the_clip_is_whole_it_has_times_and_no_masks(
    runner: Runner, small_bundle: Path, clip: Path, end: str
) -> None:
    """An end of the input is a parent that is gone."""
    outcome = runner(small_bundle, clip, "--in-turn", lines="step\nstep\n" + end)
    assert outcome.code == 0
    assert len(outcome.record["steps"]) == 2
    assert [path.name for path in outcome.output.iterdir()] == ["run.json"]


@pytest.mark.parametrize(("lines", "words"), [("stop\n", "no step was made"), ("jump\n", "expected step or stop")])
def test_without_a_step_there_is_no_record(
    refused: Callable[..., str], small_bundle: Path, clip: Path, lines: str, words: str
) -> None:
    assert words in refused(small_bundle, clip, "--in-turn", lines=lines)
