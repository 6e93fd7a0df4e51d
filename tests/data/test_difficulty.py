"""Hard synthetic clips: each property does what it says, and nothing else."""

from __future__ import annotations

from functools import cache
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mobilevos.data.synthetic import PLAIN, Difficulty, SyntheticClip
from mobilevos.data.synthetic.difficulty import PASS_EVERY, SWELL, moments, occluder_column, occluder_passes

SIZE = (120, 192)
HARD = [
    Difficulty(speed=4),
    Difficulty(exposure=4),
    Difficulty(scale=2),
    Difficulty(scale=0.5),
    Difficulty(occluder=1),
    Difficulty(look_alikes=2),
]


@cache  # clips hold no state
def clip(difficulty: Difficulty, *, seed: int = 1, objects: int = 1) -> SyntheticClip:
    return SyntheticClip(seed, 40, SIZE, objects, difficulty=difficulty)


def centre(mask: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.argwhere(mask).mean(axis=0)


def sharpness(frame: NDArray[np.uint8], where: NDArray[np.bool_]) -> float:
    """Mean step between neighbours along rows and columns."""
    grey = frame.mean(axis=2)
    steps = np.abs(np.diff(grey, axis=0))[:, :-1] + np.abs(np.diff(grey, axis=1))[:-1]
    return float(steps[where[:-1, :-1]].mean())


@pytest.mark.parametrize("difficulty", HARD, ids=str)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_first_mask_is_that_of_the_plain_clip(difficulty: Difficulty, seed: int) -> None:
    hard = clip(difficulty, seed=seed, objects=2)
    np.testing.assert_array_equal(hard.mask(0), clip(PLAIN, seed=seed, objects=2).mask(0))
    assert (hard.frame(5) != clip(PLAIN, seed=seed, objects=2).frame(5)).any()


@pytest.mark.parametrize("difficulty", HARD, ids=str)
def test_frames_do_not_depend_on_the_order_in_which_they_are_read(difficulty: Difficulty) -> None:
    one = clip(difficulty)
    frame, mask = one.frame(12), one.mask(12)
    one.frame(3)
    np.testing.assert_array_equal(one.frame(12), frame)
    np.testing.assert_array_equal(one.mask(12), mask)


def test_speed_takes_objects_along_the_same_path_in_less_time() -> None:
    slow, fast = clip(PLAIN), clip(Difficulty(speed=4))
    for t in (2, 5, 9):
        np.testing.assert_allclose(centre(fast.mask(t)), centre(slow.mask(4 * t)), atol=2)
    assert np.linalg.norm(centre(fast.mask(9)) - centre(slow.mask(9))) > 10


def test_exposure_blurs_what_moves_and_leaves_the_masks() -> None:
    still = [sharpness(clip(Difficulty(exposure=length)).frame(9), clip(PLAIN).mask(9) == 1) for length in (0, 3, 8)]
    assert still[0] > 1.15 * still[1] > 1.2 * still[2]
    for t in (0, 9):
        np.testing.assert_array_equal(clip(Difficulty(exposure=8)).mask(t), clip(PLAIN).mask(t))


def test_the_blurred_first_frame_shows_its_object() -> None:
    # Half of its exposure lies before frame 0.
    mask, blurred, plain = clip(PLAIN).mask(0) == 1, clip(Difficulty(exposure=2)).frame(0), clip(PLAIN).frame(0)
    assert np.abs(blurred[mask].mean(axis=0) - plain[mask].mean(axis=0)).max() < 5


@given(st.floats(0, 1000), st.floats(0.1, 16))
def test_moments_lie_evenly_around_their_frame(t: float, exposure: float) -> None:
    times = moments(t, exposure)
    assert np.mean(times) == pytest.approx(t, abs=1e-9)
    assert np.ptp(np.diff(times)) < 1e-9
    assert t - exposure / 2 < times[0] < times[-1] < t + exposure / 2
    assert moments(t, 0) == [t]


@pytest.mark.parametrize("factor", [2.0, 0.5])
def test_scale_is_reached_after_24_frames_and_undone_after_48(factor: float) -> None:
    masks = SyntheticClip(1, 60, SIZE, 1, difficulty=Difficulty(scale=factor, speed=1e-6))  # in place
    areas = [(masks.mask(t) == 1).sum() for t in (0, SWELL // 2, SWELL, 2 * SWELL)]
    assert sqrt(areas[2] / areas[0]) == pytest.approx(factor, rel=0.05)
    assert sqrt(areas[1] / areas[0]) == pytest.approx((1 + factor) / 2, rel=0.05)
    assert sqrt(areas[3] / areas[0]) == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("seed", range(4))
def test_a_large_occluder_hides_its_object_and_moves_on(seed: int) -> None:
    hard, plain = clip(Difficulty(occluder=2), seed=seed), clip(PLAIN, seed=seed)
    seen = [(hard.mask(t) == 1).sum() / (plain.mask(t) == 1).sum() for t in range(2 * PASS_EVERY + 1)]
    assert seen[0] == 1
    assert seen[PASS_EVERY] == seen[2 * PASS_EVERY] == 0
    assert max(seen[PASS_EVERY : 2 * PASS_EVERY]) > 0.9


def test_a_larger_occluder_hides_more() -> None:
    areas = [(clip(Difficulty(occluder=size)).mask(PASS_EVERY) == 1).sum() for size in (0, 0.4, 0.7, 2)]
    assert areas[0] > areas[1] > areas[2] > areas[3] == 0


@given(column=st.floats(0, 192), reach=st.floats(5, 120), passes=st.integers(0, 9), time=st.floats(0, 1))
def test_occluders_come_from_outside_meet_their_object_and_leave(
    column: float, reach: float, passes: int, time: float
) -> None:
    meeting = (passes + 1) * PASS_EVERY
    start, end = meeting - PASS_EVERY, meeting + PASS_EVERY
    places = [occluder_column(meeting, column, reach, 192, t) for t in (start, meeting, end)]
    assert places[1] == pytest.approx(column)
    assert all(place <= -reach + 1e-6 or place >= 192 + reach - 1e-6 for place in (places[0], places[2]))
    t = start + time * 2 * PASS_EVERY
    assert meeting in list(occluder_passes(t)) or t == end
    assert all(abs(one - t) <= PASS_EVERY for one in occluder_passes(t))


def test_no_occluder_is_on_its_way_before_the_clip_starts() -> None:
    assert list(occluder_passes(-0.5)) == []


def test_look_alikes_stay_behind_and_are_background() -> None:
    hard, plain = clip(Difficulty(look_alikes=3), objects=2), clip(PLAIN, objects=2)
    for t in (0, 20):
        np.testing.assert_array_equal(hard.mask(t), plain.mask(t))
        inside = plain.mask(t) > 0
        changed = (hard.frame(t) != plain.frame(t)).any(axis=2)
        assert changed[~inside].mean() > 0.02
        assert changed[inside].mean() < 0.1  # along the soft outlines


def test_look_alikes_wear_the_skin_of_an_object() -> None:
    hard, plain = clip(Difficulty(look_alikes=3)), clip(PLAIN)
    mask, frame = plain.mask(0) == 1, hard.frame(0).astype(int)
    strange = (np.abs(frame - plain.frame(0)).max(axis=2) > 40) & ~mask
    assert np.abs(frame[strange].mean(axis=0) - frame[mask].mean(axis=0)).max() < 30
    assert np.abs(frame[strange].mean(axis=0) - plain.frame(0)[strange].mean(axis=0)).max() > 40


@settings(max_examples=10)
@given(
    seed=st.integers(0, 1000),
    difficulty=st.builds(
        Difficulty,
        speed=st.floats(0.1, 10),
        exposure=st.floats(0, 8),
        scale=st.floats(0.2, 4),
        occluder=st.floats(0, 2),
        look_alikes=st.integers(0, 3),
    ),
    t=st.integers(0, 200),
)
def test_any_mixture_gives_frames_and_masks(seed: int, difficulty: Difficulty, t: int) -> None:
    mixed = SyntheticClip(seed, t + 1, (48, 64), 2, difficulty=difficulty)
    assert (mixed.frame(t).shape, mixed.frame(t).dtype) == ((48, 64, 3), np.uint8)
    assert set(np.unique(mixed.mask(t))) <= {0, 1, 2}


@pytest.mark.parametrize(
    "difficulty", [Difficulty(occluder=5e-324), Difficulty(occluder=1e-30), Difficulty(scale=5e-324)], ids=str
)
def test_what_is_too_small_to_be_seen_is_drawn_without_dividing_by_zero(difficulty: Difficulty) -> None:
    tiny = clip(difficulty)
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        frames = [tiny.frame(t) for t in (PASS_EVERY - 1, SWELL)]
    assert all(frame.dtype == np.uint8 for frame in frames)


@pytest.mark.parametrize("wrong", [{"speed": 0}, {"scale": 0}, {"exposure": -1}, {"occluder": -1}, {"look_alikes": -1}])
def test_numbers_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="above 0 and nothing negative"):
        Difficulty(**wrong)  # type: ignore[arg-type]
