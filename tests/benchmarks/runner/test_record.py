"""The run record: steps and passes as asked for, times and memory of every step, masks of the last whole pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.runner.sdk import host_sdk
from mobilevos.contract import COMPONENTS
from mobilevos.files import sha256_of

pytestmark = [pytest.mark.runner, pytest.mark.executorch]

Runner = Callable[..., Any]
FRAMES = 7


def test_the_facts_of_a_run(runner: Runner, small_bundle: Path, clip: Path) -> None:
    outcome = runner(small_bundle, clip)
    record = outcome.record
    steps = record.pop("steps")
    peaks = [record.pop("peak_rss_bytes"), record.pop("peak_pss_bytes")]
    assert record.pop("load_ms") > 0
    assert record.pop("affinity")
    assert record == {
        "format": 1,
        "engine": "executorch",
        "precision": "fp32",
        "bundle_sha256": sha256_of(small_bundle / "manifest.json"),
        "versions": {"executorch": host_sdk().version},
        "threads": 1,
        "height": 64,
        "width": 96,
        "frames": FRAMES,
        "memory_every": 3,
        "objects": 2,
        "thermal": {},
    }
    assert peaks[0] >= max(step["rss_bytes"] for step in steps)
    assert peaks[1] == max(step["pss_bytes"] for step in steps)


def test_without_limits_the_clip_is_tracked_once(runner: Runner, small_bundle: Path, clip: Path) -> None:
    outcome = runner(small_bundle, clip)
    steps = outcome.record["steps"]
    assert [(step["pass"], step["frame"], step["warm_up"]) for step in steps] == [
        (0, frame, False) for frame in range(FRAMES)
    ]
    assert sorted(path.name for path in outcome.output.iterdir()) == ["masks.u8", "run.json"]
    assert set(np.unique(outcome.masks[0])) == {0, 1, 2}


def test_every_step_has_its_times_and_memory(runner: Runner, small_bundle: Path, clip: Path) -> None:
    """Two objects in a program for one: the components are called in turns."""
    for step in runner(small_bundle, clip).record["steps"]:
        called = {"encode_query"}
        called |= {"read_memory", "decode"} if step["frame"] else set()
        called |= {"encode_memory"} if step["frame"] % 3 == 0 else set()
        assert set(step["components"]) == called
        assert 0 < sum(step["components"].values()) <= step["step_ms"]
        assert 1 << 20 < step["pss_bytes"] <= step["rss_bytes"]


def test_passes_are_added_until_steps_and_seconds_are_reached(runner: Runner, small_bundle: Path, clip: Path) -> None:
    """First frames do not count: they are given."""
    steps = runner(small_bundle, clip, "--steps", 15, "--warm-up", 3).record["steps"]
    counted = [step for step in steps if not step["warm_up"] and step["frame"]]
    assert [step["warm_up"] for step in steps[:4]] == [True] * 3 + [False]
    assert len(counted) == 15
    assert [(step["pass"], step["frame"]) for step in steps] == [divmod(index, FRAMES) for index in range(len(steps))]

    steps = runner(small_bundle, clip, "--seconds", 0.2).record["steps"]
    times = [step["step_ms"] for step in steps if step["frame"]]
    assert len(steps) == FRAMES or sum(times[:-1]) < 200 <= sum(times)


def test_a_pass_that_is_cut_leaves_the_masks_of_the_whole_one(runner: Runner, small_bundle: Path, clip: Path) -> None:
    once = runner(small_bundle, clip).masks
    cut = runner(small_bundle, clip, "--steps", 2 * FRAMES)
    assert cut.record["steps"][-1]["frame"] < FRAMES - 1
    assert np.array_equal(cut.masks, once)


def test_a_warm_up_longer_than_the_clip_is_followed_by_a_whole_pass(
    runner: Runner, small_bundle: Path, clip: Path
) -> None:
    steps = runner(small_bundle, clip, "--warm-up", FRAMES + 2).record["steps"]
    assert [step["warm_up"] for step in steps] == [True] * (FRAMES + 2) + [False] * (FRAMES - 2)


def test_memory_and_its_file_handles_stay_flat_over_many_passes(runner: Runner, small_bundle: Path, clip: Path) -> None:
    steps = runner(small_bundle, clip, "--steps", 400).record["steps"]
    assert steps[-1]["rss_bytes"] < 1.05 * steps[50]["rss_bytes"]


def test_a_second_run_replaces_the_first_ones_trace(runner: Runner, small_bundle: Path, clip: Path) -> None:
    output = runner(small_bundle, clip, "--trace").output
    assert (output / "trace.json").is_file()
    runner(small_bundle, clip)
    assert sorted(path.name for path in output.iterdir()) == ["masks.u8", "run.json"]


def test_help_names_every_option(runner: Runner, small_bundle: Path, clip: Path) -> None:
    outcome = runner(small_bundle, clip, "--help")
    assert outcome.code == 0
    for option in ("threads", "steps", "seconds", "warm-up", "components", "in-turn", "trace"):
        assert f"--{option}" in outcome.out
    assert not outcome.output.exists()


def test_components_are_the_contracts(runner: Runner, small_bundle: Path, clip: Path) -> None:
    for step in runner(small_bundle, clip, "--components").record["steps"]:
        assert set(step["components"]) <= set(COMPONENTS) - {"segment"}
