from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mobilevos.data.clips.composition import compose
from mobilevos.data.clips.configuration import (
    BlurConfig,
    ClipConfig,
    ColourConfig,
    MotionConfig,
    PasteConfig,
    StaticConfig,
)
from mobilevos.data.clips.reading import LabelledImage
from mobilevos.data.clips.sample import TrainingClip

Scenes = Callable[[int], LabelledImage]

STILL = ColourConfig(brightness=0, contrast=0, saturation=0, hue=0, grayscale_probability=0, flicker=0)
BARE = StaticConfig(
    frames=3,
    crop=96,
    max_objects=3,
    min_pixels=30,
    colour=STILL,
    blur=BlurConfig(probability=0),
    paste=PasteConfig(lookalike_probability=0, donor_probability=0, colour=STILL),
)
"""Geometry alone."""


def encoded(radius: int = 40) -> LabelledImage:
    """An image whose red channel is the mask: 255 on a disk, 0 elsewhere."""
    y, x = np.mgrid[:150, :200]
    labels = ((x - 100) ** 2 + (y - 75) ** 2 < radius**2).astype(np.uint8)
    return np.dstack([labels * 255, np.full_like(labels, 100), np.full_like(labels, 200)]), labels


def never() -> LabelledImage:
    raise AssertionError("no donor is to be read")


def drawn(
    seed: int, sources: list[LabelledImage], config: ClipConfig, donor: LabelledImage | None = None
) -> TrainingClip:
    """The first clip that the seed's generator gives."""
    rng = np.random.default_rng(seed)
    for _ in range(50):
        clip = compose(rng, sources, never if donor is None else lambda: donor, config, "test")
        if clip is not None:
            return clip
    raise AssertionError("no clip")


def far_from_edge(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels more than one pixel from the mask's outline."""
    kernel = np.ones((3, 3), np.uint8)
    return cv2.dilate(mask.astype(np.uint8), kernel) == cv2.erode(mask.astype(np.uint8), kernel)


@pytest.mark.parametrize("bend", [0.0, 0.04])
@pytest.mark.parametrize("seed", range(6))
def test_frames_and_labels_are_resampled_alike(seed: int, bend: float) -> None:
    clip = drawn(seed, [encoded()] * 3, replace(BARE, bend=bend))
    for frame, label in zip(clip.frames, clip.labels, strict=True):
        from_image, from_label = frame[0] > 127, label == 1
        safe = far_from_edge(from_label)
        # The fill around the source holds the mean colour, which is less red than 127.
        np.testing.assert_array_equal(from_image[safe], from_label[safe])
        assert abs(int(from_image.sum()) - int(from_label.sum())) < 0.02 * from_label.sum() + 10


@pytest.mark.parametrize("seed", range(6))
def test_pasted_objects_carry_their_labels(seed: int) -> None:
    empty_looking = (np.full((150, 200, 3), 100, np.uint8), encoded(12)[1])
    config = replace(BARE, max_objects=2, paste=replace(BARE.paste, donor_probability=1.0, behind_probability=0.0))
    clip = drawn(seed, [empty_looking] * 3, config, donor=encoded())
    # Only the donor's object is fully red; it is background or exactly one of the ids.
    for frame, label in zip(clip.frames, clip.labels, strict=True):
        red = frame[0] > 178  # half way from 100 to 255
        safe = far_from_edge(red)
        if red.any():
            ids = np.unique(label[red & safe])
            assert len(ids) <= 1
            if ids.any():
                np.testing.assert_array_equal((label == ids[0])[safe], red[safe])
                assert abs(int((label == ids[0]).sum()) - int(red.sum())) < 0.01 * red.sum() + 10


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3))
def test_ids_are_compact_valid_and_all_shown_in_the_first_frame(scene: Scenes, seed: int, most: int) -> None:
    config = replace(BARE, max_objects=most, paste=PasteConfig(lookalike_probability=0.5, donor_probability=0.5))
    clip = drawn(seed, [scene(0)] * 3, config, donor=scene(1))
    shown = np.bincount(clip.labels[0].ravel(), minlength=most + 1)[1:]
    np.testing.assert_array_equal(clip.valid, shown > 0)
    assert clip.valid[0]
    assert (shown[clip.valid] >= config.min_pixels).all()
    assert (np.diff(clip.valid.astype(int)) <= 0).all()
    assert clip.labels.max() <= clip.valid.sum()


def test_the_clip_has_the_stated_shapes_and_types(scene: Scenes) -> None:
    clip = drawn(0, [scene(0)] * 3, BARE)
    assert (clip.frames.shape, clip.frames.dtype) == ((3, 3, 96, 96), np.uint8)
    assert (clip.labels.shape, clip.labels.dtype) == ((3, 96, 96), np.uint8)
    assert (clip.valid.shape, clip.valid.dtype) == ((3,), np.bool_)
    assert clip.frames.flags.c_contiguous


def test_a_lookalike_is_background() -> None:
    config = replace(BARE, max_objects=2, paste=replace(BARE.paste, lookalike_probability=1.0, lookalike_scale=(1, 1)))
    extra = 0
    for seed in range(8):
        clip = drawn(seed, [encoded(12)] * 3, config)
        red = clip.frames[0][0] > 127
        assert clip.valid.tolist() == [True, False]
        assert (red[clip.labels[0] == 1]).mean() > 0.9
        extra += int((red & (clip.labels[0] == 0)).sum() > 100)
    assert extra >= 4  # in the others the copy hides the object, or lies outside


def test_what_lies_in_front_stays_in_front(scene: Scenes) -> None:
    """A cut-out that passes behind leaves the clip's own objects as they are."""
    paste = replace(BARE.paste, donor_probability=1.0, behind_probability=1.0, size=(0.9, 0.9))
    for seed in range(4):
        rngs = [np.random.default_rng(seed), np.random.default_rng(seed)]
        with_donor = compose(rngs[0], [encoded()] * 3, lambda: scene(0), replace(BARE, max_objects=1, paste=paste), "a")
        without = compose(rngs[1], [encoded()] * 3, never, replace(BARE, max_objects=1), "b")
        assert with_donor is not None
        assert without is not None
        own = far_from_edge(without.labels[0] == 1) & (without.labels[0] == 1)
        np.testing.assert_array_equal(with_donor.frames[0][:, own], without.frames[0][:, own])


def test_all_frames_of_a_clip_are_flipped_alike(scene: Scenes) -> None:
    """Without motion every frame of a still image is the same, whatever the flip."""
    rest = replace(BARE, motion=MotionConfig(rotation=0, shear=0, scale=1, translation=0), bend=0.0)
    sides = set()
    for seed in range(12):
        clip = drawn(seed, [scene(0)] * 3, replace(rest, window=(1.0, 1.0), aspect=1.0))
        assert all((frame == clip.frames[0]).all() for frame in clip.frames)
        bright = np.argwhere(clip.frames[0, 0] > 190)[:, 1].mean()
        dark = np.argwhere(clip.frames[0, 1] < 60)[:, 1].mean()
        sides.add(bool(bright < dark))
    assert sides == {True, False}


def test_motion_grows_along_the_clip() -> None:
    config = replace(BARE, frames=4, min_pixels=1)
    steps = np.zeros(4)
    for seed in range(30):
        clip = drawn(seed, [encoded(20)] * 4, config)
        overlap = [((a := clip.labels[0] == 1) & (b := label == 1)).sum() / (a | b).sum() for label in clip.labels]
        steps += overlap
    assert steps[0] == 30
    assert steps[0] > steps[1] > steps[3]


def test_an_empty_mask_and_too_small_an_object_give_no_clip() -> None:
    image, labels = encoded()
    rng = np.random.default_rng(0)
    assert compose(rng, [(image, np.zeros_like(labels))] * 3, never, BARE, "empty") is None
    assert compose(rng, [encoded(3)] * 3, never, replace(BARE, min_pixels=5000), "small") is None
