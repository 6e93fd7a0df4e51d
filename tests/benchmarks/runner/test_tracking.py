"""Whatever is given when, the runner's masks are the Python tracker's over the same bundle."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.clip_folder import write_clip
from benchmarks.runner.payload import Payload
from mobilevos.bundle import Bundle
from mobilevos.data.synthetic import SyntheticClip
from mobilevos.engines import Engine
from mobilevos.engines.executorch import ExecutorchEngine
from mobilevos.model.checkpoint import load_network
from mobilevos.tracking import Tracker

pytestmark = [pytest.mark.runner, pytest.mark.executorch]

FRAMES = 6

Prompts = dict[int, dict[int, tuple[int, int]]]
"""By frame, by object id: the row and column of its square."""

squares = st.tuples(st.integers(0, 40), st.integers(0, 70))
prompts = st.dictionaries(
    st.integers(0, FRAMES - 1), st.dictionaries(st.sampled_from([1, 2, 5, 200]), squares, min_size=1), min_size=1
)


@pytest.fixture(scope="module")
def engine(small_bundle: Path) -> Engine:
    return ExecutorchEngine(Bundle.open(small_bundle))


@pytest.fixture(scope="module")
def wide_engine(random_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Of a bundle for two objects a call."""
    from export.pipeline import export_bundle
    from export.targets import TARGETS

    network = load_network(random_checkpoint)
    folder = tmp_path_factory.mktemp("bundles") / "wide"
    export_bundle(TARGETS["executorch"], network, network.dimensions(64, 96, 2, 2), folder)
    return ExecutorchEngine(Bundle.open(folder))


def masks_of(prompts: Prompts, size: tuple[int, int]) -> dict[int, Any]:
    """A later object covers an earlier one; one that is covered wholly is not given."""
    masks = {}
    for frame, objects in prompts.items():
        masks[frame] = np.zeros(size, np.uint8)
        for object_id, (row, column) in objects.items():
            masks[frame][row : row + 16, column : column + 20] = object_id
    return masks


def assert_same(host: Payload, engine: Any, folder: Path, prompts: Prompts, every: int, size: tuple[int, int]) -> None:
    clip, given_masks = SyntheticClip(seed=1, length=FRAMES, size=size, objects=2), masks_of(prompts, size)
    tracker = Tracker(engine, memory_every=every)
    expected = [tracker.step(frame, given_masks.get(index)).labels for index, frame in enumerate(clip)]
    shutil.rmtree(folder, ignore_errors=True)
    write_clip(folder / "clip", clip, given_masks, memory_every=every)
    folders = ["--bundle", engine.bundle.folder, "--clip", folder / "clip", "--output", folder / "output"]
    finished = subprocess.run([*host.command, *map(str, folders)], capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")
    found = np.fromfile(folder / "output" / "masks.u8", np.uint8).reshape(FRAMES, *size)
    # A pixel whose two probabilities are equal to the last bit may fall to either side.
    assert (found != np.stack(expected)).sum() <= 2


clips = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


@clips
@given(prompts=prompts, every=st.integers(1, 3))
def test_objects_in_turns(host: Payload, engine: Engine, tmp_path: Path, prompts: Prompts, every: int) -> None:
    assert_same(host, engine, tmp_path / "case", prompts, every, (64, 96))


@pytest.mark.slow
@clips
@given(prompts=prompts, every=st.integers(1, 3))
def test_objects_two_a_call_the_last_call_filled_up(
    host: Payload, wide_engine: Engine, tmp_path: Path, prompts: Prompts, every: int
) -> None:
    assert_same(host, wide_engine, tmp_path / "case", prompts, every, (64, 96))


@pytest.mark.parametrize("size", [(60, 90), (49, 81)])
def test_frames_that_are_padded(host: Payload, engine: Engine, tmp_path: Path, size: tuple[int, int]) -> None:
    assert_same(host, engine, tmp_path / "case", {0: {3: (10, 20)}, 2: {7: (30, 50)}}, 2, size)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_any_number_of_objects_from_the_first_frame(host: Payload, engine: Engine, tmp_path: Path, count: int) -> None:
    places: dict[int, tuple[int, int]] = {
        object_id: (4 * object_id, 14 * object_id) for object_id in range(1, count + 1)
    }
    assert_same(host, engine, tmp_path / "case", {0: places}, 2, (64, 96))


def test_an_object_that_is_given_again_and_one_alone_afterwards(
    host: Payload, engine: Callable[..., Any], tmp_path: Path
) -> None:
    prompts: Prompts = {1: {1: (0, 0), 2: (30, 40)}, 3: {1: (20, 20)}, 4: {1: (20, 20), 2: (40, 70), 9: (0, 60)}}
    assert_same(host, engine, tmp_path / "case", prompts, 2, (64, 96))
