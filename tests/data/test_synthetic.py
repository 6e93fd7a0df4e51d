"""Synthetic clips: the same from the same seed, with masks that say exactly what the frames show."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mobilevos.data.synthetic import SyntheticClip
from mobilevos.data.synthetic.textures import fractal_noise

SMALL = (72, 112)


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Largest difference of the three channels, `[H, W]`."""
    largest: NDArray[np.int16] = np.abs(a.astype(np.int16) - b).max(axis=-1)
    return largest


# Reading


def test_reads_like_a_folder_of_images() -> None:
    clip = SyntheticClip(seed=1, length=4, size=SMALL)
    frames = list(clip)
    assert (len(clip), clip.size, clip.names) == (4, SMALL, ("00000", "00001", "00002", "00003"))
    assert len(frames) == 4
    np.testing.assert_array_equal(clip[-1], frames[3])
    with pytest.raises(IndexError):
        clip[4]


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    size=st.tuples(st.integers(16, 90), st.integers(16, 90)),
    objects=st.integers(1, 4),
    t=st.integers(0, 100_000),
)
def test_any_seed_size_and_time(seed: int, size: tuple[int, int], objects: int, t: int) -> None:
    clip = SyntheticClip(seed, t + 1, size, objects)
    frame, mask = clip.frame(t), clip.mask(t)
    assert frame.shape == (*size, 3)
    assert mask.shape == size
    assert frame.dtype == mask.dtype == np.uint8
    assert frame.flags.c_contiguous
    assert set(np.unique(mask)) <= set(range(objects + 1))
    assert frame.std() > 3  # a texture, not a plain colour


def test_same_seed_gives_the_same_pixels_and_another_seed_others() -> None:
    clip, same, other = (SyntheticClip(seed, 40, SMALL) for seed in (7, 7, 8))
    for t in (0, 13, 39):
        np.testing.assert_array_equal(clip.frame(t), same.frame(t))
        np.testing.assert_array_equal(clip.mask(t), same.mask(t))
    assert difference(clip.frame(13), other.frame(13)).mean() > 10


def test_random_access_equals_reading_in_order() -> None:
    in_order = list(SyntheticClip(3, 8, SMALL, objects=3))
    clip = SyntheticClip(3, 8, SMALL, objects=3)
    for t in (5, 0, 7, 2, 5):
        np.testing.assert_array_equal(clip.frame(t), in_order[t])


def test_length_changes_no_frame() -> None:
    np.testing.assert_array_equal(SyntheticClip(3, 5, SMALL).frame(4), SyntheticClip(3, 500, SMALL).frame(4))


# Masks


def test_mask_is_where_the_object_was_drawn() -> None:
    # Object 2 does not exist yet in the second clip: all that differs is the object and its shadow.
    there = SyntheticClip(5, 1, (240, 320))
    missing = SyntheticClip(5, 1, (240, 320), appears={2: 1})
    changed = difference(there.frame(0), missing.frame(0)) > 0
    mask = there.mask(0) == 2
    assert changed[mask].mean() > 0.97
    # A shadow only darkens, so what became brighter is the object, soft edge included.
    brighter = (there.frame(0).astype(int) - missing.frame(0)).max(axis=-1) > 12
    assert brighter.sum() > 500
    rows, columns = np.nonzero(brighter & ~mask)
    neighbours = np.pad(mask, 1)
    assert all(neighbours[r : r + 3, c : c + 3].any() for r, c in zip(rows, columns, strict=True))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), t=st.integers(0, 300))
def test_nearer_objects_hide_farther_ones(seed: int, t: int) -> None:
    # Object k is the same in clips of k and of more objects, so the whole masks are known.
    whole = [SyntheticClip(seed, 1, SMALL, objects=k).mask(t) == k for k in (1, 2, 3)]
    expected = np.zeros(SMALL, np.uint8)
    for object_id, pixels in enumerate(whole, start=1):
        expected[pixels] = object_id
    np.testing.assert_array_equal(SyntheticClip(seed, 1, SMALL, objects=3).mask(t), expected)


def test_objects_do_meet() -> None:
    clip, alone = SyntheticClip(5, 60, SMALL), SyntheticClip(5, 60, SMALL, objects=1)
    seen = [(clip.mask(t) == 1).sum() / (alone.mask(t) == 1).sum() for t in range(60)]
    assert max(seen) == 1
    assert min(seen) < 0.8


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_first_frame_shows_most_of_every_object(seed: int) -> None:
    mask = SyntheticClip(seed, 1, SMALL).mask(0)
    for object_id in (1, 2):
        assert (mask == object_id).sum() > 0.01 * mask.size


# Motion


def test_objects_and_background_move_smoothly() -> None:
    clip = SyntheticClip(2, 40, SMALL)
    masks = [clip.mask(t) for t in range(40)]
    for object_id in (1, 2):
        centres = np.array([np.argwhere(mask == object_id).mean(axis=0) for mask in masks])
        steps = np.linalg.norm(np.diff(centres, axis=0), axis=1)
        assert steps.max() < 0.03 * SMALL[1]
        assert np.linalg.norm(centres[-1] - centres[0]) > 0.1 * SMALL[1]
    background = (masks[0] == 0) & (masks[39] == 0)
    assert difference(clip.frame(0), clip.frame(39))[background].mean() > 10


def test_objects_deform() -> None:
    # Hu's moments do not change with place, size and turn; what differs is the shape itself.
    masks = [SyntheticClip(2, 100, (240, 320), objects=1).mask(t) for t in (0, 30, 60, 90)]
    turned = cv2.warpAffine(masks[0], cv2.getRotationMatrix2D((160, 120), 20, 0.9), (320, 240))
    same = cv2.matchShapes(masks[0], turned, cv2.CONTOURS_MATCH_I3, 0)
    others = [cv2.matchShapes(masks[0], mask, cv2.CONTOURS_MATCH_I3, 0) for mask in masks[1:]]
    assert min(others) > 2 * same, (same, others)
    assert masks[0].sum() != pytest.approx(masks[1].sum(), rel=0.02)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), first=st.integers(1, 40), frames=st.integers(1, 10))
def test_absent_object_leaves_and_returns(seed: int, first: int, frames: int) -> None:
    stop = first + frames
    clip = SyntheticClip(seed, 80, SMALL, objects=2, absent={2: (first, stop)})
    assert all(not (clip.mask(t) == 2).any() for t in range(first, stop))
    assert (clip.mask(stop + 18) == 2).any()
    always_there = SyntheticClip(seed, 80, SMALL, objects=2)
    np.testing.assert_array_equal(clip.mask(stop + 18), always_there.mask(stop + 18))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), start=st.integers(1, 60))
def test_object_appears_at_its_frame(seed: int, start: int) -> None:
    clip = SyntheticClip(seed, 80, SMALL, objects=2, appears={2: start})
    assert not any((clip.mask(t) == 2).any() for t in range(start))
    assert (clip.mask(start) == 2).sum() > 0.008 * clip.mask(start).size
    np.testing.assert_array_equal(clip.mask(start + 18), SyntheticClip(seed, 80, SMALL).mask(start + 18))


# Refusals


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"length": 0}, "1 frame or more"),
        ({"size": (15, 64)}, "16x16"),
        ({"objects": 0}, r"1\.\.255"),
        ({"objects": 256}, r"1\.\.255"),
        ({"appears": {3: 4}}, r"ids 1\.\.2, got \[3\]"),
        ({"absent": {0: (4, 5)}}, r"ids 1\.\.2, got \[0\]"),
    ],
)
def test_arguments_out_of_range_are_refused(options: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        SyntheticClip(**options)  # type: ignore[arg-type]


# Textures


def test_noise_is_normalised_and_smooth_at_first_and_rougher_with_every_octave() -> None:
    roughness = []
    for octaves in (1, 2, 4):
        noise = fractal_noise(np.random.default_rng(0), (64, 96), cells=3, octaves=octaves)
        assert noise.shape == (64, 96)
        assert noise.dtype == np.float32
        assert noise.mean() == pytest.approx(0, abs=1e-4)
        assert noise.std() == pytest.approx(1, abs=1e-3)
        roughness.append(np.abs(np.diff(noise, axis=1)).mean())
    assert roughness[0] < roughness[1] < roughness[2]
    assert roughness[0] < 0.12
