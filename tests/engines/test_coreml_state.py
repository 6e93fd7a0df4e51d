"""The Core ML engine over a stateful bundle: its state always holds the loop's bank, and it computes the same."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevos.bundle import MANIFEST, Bundle
from mobilevos.contract import COMPONENTS, EMPTY_BIAS, STATEFUL_STEP, Dimensions
from mobilevos.data.synthetic import SyntheticClip
from mobilevos.engines.coreml import CoreMLEngine
from mobilevos.engines.coreml_state import KeptBank, Update
from mobilevos.engines.engine import Array, Engine
from mobilevos.errors import InputError
from mobilevos.golden import record, synthetic_clip
from mobilevos.tracking import FIRST_AND_LATEST, Tracker
from mobilevos.tracking.memory_bank import MemoryBank

# What is new in a bank

SMALL = Dimensions(32, 16, 3, 2, 4, 5, (1, 1, 1))


def rows(seed: int) -> tuple[Array, Array]:
    """What `encode_memory` gives of a frame, in small: two positions."""
    generator = np.random.default_rng(seed)
    key = generator.random((2, 5), np.float32)
    return key, generator.random((2, 2, 5), np.float32)


def bank_of(slots: Sequence[int | None]) -> tuple[Array, Array]:
    """Keys and values with the rows of a seed in each slot, or an empty slot."""
    keys, values = np.zeros((6, 5), np.float32), np.zeros((2, 6, 5), np.float32)
    keys[:, -1] = EMPTY_BIAS
    for slot, seed in enumerate(slots):
        if seed is not None:
            keys[2 * slot : 2 * slot + 2], values[:, 2 * slot : 2 * slot + 2] = rows(seed)
    return keys, values


@given(st.lists(st.lists(st.none() | st.integers(0, 2), min_size=3, max_size=3), min_size=1, max_size=8))
def test_what_is_done_to_a_state_makes_it_hold_the_bank_whatever_came_before(banks: list[list[int | None]]) -> None:
    kept = KeptBank(SMALL)
    held: list[Any] | None = None
    for slots in banks:
        keys, values = bank_of(slots)
        update = kept.update(keys, values)
        if update.fresh:
            held = [None] * 3
        assert held is not None
        for slot in update.slots:
            held[slot] = [one.copy() for one in kept.rows(keys, values, slot)]
        keys.fill(9)  # the loop writes its buffers anew
        for found, seed in zip(held, slots, strict=True):
            assert (found is None) == (seed is None)
            if found is not None and seed is not None:
                for one, other in zip(found, rows(seed), strict=True):
                    np.testing.assert_array_equal(one, other)


def test_in_the_loop_one_slot_is_written_after_a_frame_was_memorised_and_none_otherwise() -> None:
    bank, kept, seen = MemoryBank(3, FIRST_AND_LATEST), KeptBank(SMALL), []
    for seed in range(4):
        bank.write(*rows(seed))
        seen += [kept.update(bank.keys, bank.values) for _ in range(2)]
    idle = Update(fresh=False, slots=())
    written = [Update(fresh=False, slots=(1,)), idle]
    assert seen == [Update(fresh=True, slots=(0,)), idle, *written, *written, *written]


@pytest.mark.parametrize("side", [0, 1], ids=["keys", "values"])
def test_one_value_that_changed_is_enough(side: int) -> None:
    kept, bank = KeptBank(SMALL), bank_of([1, 2, None])
    kept.update(*bank)
    bank[side][..., 2, 0] += np.float32(1e-6)
    assert kept.update(*bank) == Update(fresh=False, slots=(1,))


def test_a_slot_that_became_empty_takes_a_fresh_state() -> None:
    kept = KeptBank(SMALL)
    kept.update(*bank_of([1, 2, None]))
    assert kept.update(*bank_of([1, None, None])) == Update(fresh=True, slots=(0,))
    assert kept.update(*bank_of([None, None, None])) == Update(fresh=True, slots=())


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e5])
def test_rows_that_float16_does_not_hold_never_outlast_their_bank(value: float) -> None:
    kept, (keys, values) = KeptBank(SMALL), bank_of([1, 2, None])
    kept.update(keys, values)
    values[1, 3, 2] = value
    assert kept.update(keys, values) == Update(fresh=False, slots=(1,))
    assert kept.update(*bank_of([1, 4, None])) == Update(fresh=True, slots=(0, 1))
    assert kept.update(*bank_of([1, 5, None])) == Update(fresh=False, slots=(1,))


def test_what_was_forgotten_is_written_again() -> None:
    kept, bank = KeptBank(SMALL), bank_of([1, 2, None])
    kept.update(*bank)
    kept.forget()
    assert kept.update(*bank) == Update(fresh=True, slots=(0, 1))


# The engine

Test = TypeVar("Test", bound=Callable[..., None])


def on_a_bundle(test: Test) -> Test:
    """Marks a test that needs a real bundle, and the interpreter to be exact on it."""
    on_a_mac = pytest.mark.skipif(sys.platform == "darwin", reason="there Apple's runtime evaluates the programs")
    return pytest.mark.coreml(pytest.mark.slow(on_a_mac(test)))


class Watched(CoreMLEngine):
    """Notes which programs run."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.calls: list[str] = []
        super().__init__(*arguments, **options)

    def _call(self, component: str, inputs: tuple[Array, ...]) -> list[Array]:
        self.calls.append(component)
        return super()._call(component, inputs)


class Stateless(Watched):
    """Runs the same bundle by its program without state."""

    @property
    def fused_step(self) -> str:
        return "segment"


@pytest.fixture(scope="module")
def bundle(stateful_bundle: Path) -> Bundle:
    return Bundle.open(stateful_bundle)


@pytest.fixture(scope="module")
def stateful(bundle: Bundle) -> Watched:
    """One engine for all tests, so that each starts with what another left in the state."""
    return Watched(bundle)


@pytest.fixture(scope="module")
def stateless(bundle: Bundle) -> Stateless:
    return Stateless(bundle)


def probabilities(engine: Engine, clip: SyntheticClip, memory_every: int = 2) -> list[Array]:
    tracker = Tracker(engine, memory_every=memory_every)
    masks = {0: clip.mask(0)}
    return [tracker.step(frame, masks.get(t)).probabilities.copy() for t, frame in enumerate(clip)]


def clip(seed: int, objects: int = 2) -> SyntheticClip:
    return SyntheticClip(seed, 7, (120, 180), objects)


@on_a_bundle
def test_a_clip_is_tracked_as_without_state(stateful: Watched, stateless: Stateless) -> None:
    for seed in (1, 2):  # the second starts over what the first left
        np.testing.assert_array_equal(probabilities(stateful, clip(seed)), probabilities(stateless, clip(seed)))
    assert STATEFUL_STEP in stateful.calls
    assert "segment" not in stateful.calls
    assert STATEFUL_STEP not in stateless.calls


@on_a_bundle
def test_two_clips_that_take_turns_do_not_mix(stateful: Watched, stateless: Stateless) -> None:
    clips = (clip(3), clip(4, objects=1))
    trackers = [Tracker(stateful, memory_every=2) for _ in clips]
    expected = [probabilities(stateless, one) for one in clips]
    for t in range(7):
        for one, tracker, masks in zip(clips, trackers, expected, strict=True):
            found = tracker.step(one.frame(t), one.mask(0) if t == 0 else None).probabilities
            np.testing.assert_array_equal(found, masks[t])


@on_a_bundle
def test_more_objects_than_a_call_takes_and_one_that_goes(stateful: Watched, stateless: Stateless) -> None:
    three = clip(5, objects=3)
    found = []
    for engine in (stateful, stateless):
        tracker = Tracker(engine, memory_every=2)
        planes = [tracker.step(three.frame(t), three.mask(0) if t == 0 else None).probabilities for t in range(3)]
        tracker.remove(2)
        planes += [tracker.step(three.frame(t)).probabilities for t in range(3, 7)]
        found.append([plane.copy() for plane in planes])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


@on_a_bundle
def test_the_golden_clip_with_an_object_that_appears_later(stateful: Watched, stateless: Stateless) -> None:
    golden = synthetic_clip((128, 192))
    stateful.calls.clear()
    own, other = record(stateful, golden), record(stateless, golden)
    for step, same in zip(own.steps, other.steps, strict=True):
        np.testing.assert_array_equal(step.labels, same.labels)
    later = max(golden.given)
    assert stateful.calls.count(STATEFUL_STEP) == later  # each frame between the two masks and that of the second
    assert stateful.calls.count("read_memory") == 2 * (len(golden.frames) - 1 - later)


@on_a_bundle
def test_in_a_process_of_its_own_it_keeps_its_state_there(bundle: Bundle, stateless: Stateless) -> None:
    engine = CoreMLEngine(bundle, isolated=True)
    np.testing.assert_array_equal(probabilities(engine, clip(6)), probabilities(stateless, clip(6)))


@on_a_bundle
def test_components_can_be_asked_for_instead(bundle: Bundle) -> None:
    engine = Watched(bundle, fused=False)
    probabilities(engine, clip(1))
    assert STATEFUL_STEP not in engine.calls


# What is refused


@pytest.fixture
def copy(stateful_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stateful_bundle, tmp_path / "bundle"))


def edited(bundle: Path, **changes: Any) -> None:
    manifest = json.loads((bundle / MANIFEST).read_text())
    manifest["components"][STATEFUL_STEP] |= changes
    (bundle / MANIFEST).write_text(json.dumps(manifest))


@on_a_bundle
def test_a_program_without_the_states_that_the_manifest_names(copy: Path) -> None:
    edited(copy, method="segment")
    words = rf"function 'segment' does not follow the contract of {STATEFUL_STEP}"
    with pytest.raises(InputError, match=words) as caught:
        CoreMLEngine(Bundle.open(copy))
    assert "\n" not in str(caught.value)


@on_a_bundle
def test_a_program_with_states_that_the_manifest_does_not_name(copy: Path) -> None:
    manifest = json.loads((copy / MANIFEST).read_text())
    manifest["components"]["segment"]["method"] = STATEFUL_STEP
    (copy / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="does not follow the contract of segment"):
        CoreMLEngine(Bundle.open(copy))


@on_a_bundle
def test_a_bundle_whose_manifest_leaves_the_stateful_step_out_is_run_without_it(copy: Path) -> None:
    manifest = json.loads((copy / MANIFEST).read_text())
    del manifest["components"][STATEFUL_STEP]
    (copy / MANIFEST).write_text(json.dumps(manifest))
    engine = Watched(Bundle.open(copy))
    probabilities(engine, clip(1))
    assert set(engine.calls) <= set(COMPONENTS)
    assert "segment" in engine.calls
