"""The golden clip: always the same pixels, two objects, and small files."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from mobilevos.golden.clip import APPEARS, FRAMES, synthetic_clip


def test_thirty_frames_and_an_object_that_appears_at_the_tenth() -> None:
    clip = synthetic_clip((64, 96))
    assert (FRAMES, APPEARS) == (30, {1: 0, 2: 10})
    assert len(clip.frames) == FRAMES
    assert all(frame.shape == (64, 96, 3) and frame.dtype == np.uint8 for frame in clip.frames)
    assert {frame: np.unique(labels).tolist() for frame, labels in clip.given.items()} == {0: [0, 1], 10: [0, 2]}


def test_the_same_seed_gives_the_same_pixels_and_another_seed_others() -> None:
    one, same, other = (synthetic_clip((32, 48), seed=seed) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(one.frames, same.frames, strict=True))
    assert all(np.array_equal(one.given[t], same.given[t]) for t in one.given)
    assert not np.array_equal(one.frames[0], other.frames[0])


@pytest.mark.parametrize("seed", range(3))
def test_both_objects_are_there_at_the_smallest_size_too(seed: int) -> None:
    clip = synthetic_clip((16, 16), seed=seed)
    assert all(labels.any() for labels in clip.given.values())


def test_at_full_size_the_frames_are_small_files_and_the_masks_are_judged() -> None:
    clip = synthetic_clip((480, 864))
    sizes = []
    for frame in clip.frames[::10]:
        file = io.BytesIO()
        Image.fromarray(frame).save(file, format="PNG")
        sizes.append(file.tell())
    assert max(sizes) * FRAMES < 6e6
    assert min((labels > 0).sum() for labels in clip.given.values()) > 5000
