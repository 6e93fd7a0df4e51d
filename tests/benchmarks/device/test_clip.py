"""A clip is fitted to a bundle, or refused."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.clips import synthetic_clip
from benchmarks.device.clip import fit_clip
from mobilevos.bundle import Bundle
from mobilevos.contract import Dimensions
from mobilevos.errors import InputError

BUNDLE = Bundle(Path(), {}, Dimensions(64, 96, 2, 1, 64, 96, (96, 32, 24)))


@pytest.mark.parametrize("size", [(64, 96), (60, 90), (49, 81)])
def test_a_clip_that_pads_to_the_bundles_size_stays_as_it_is(size: tuple[int, int]) -> None:
    clip = synthetic_clip(2, size, 1)
    assert fit_clip(clip, BUNDLE, resize=True) is clip


def test_another_size_is_refused_with_what_to_do() -> None:
    with pytest.raises(InputError, match=r"expected 64x96; found 128x96; pass --resize, or export with `--size 128x"):
        fit_clip(synthetic_clip(2, (128, 96), 1), BUNDLE)


def test_frames_masks_and_truth_are_resized_where_the_user_asks_for_it() -> None:
    clip = synthetic_clip(2, (128, 192), 2)
    fitted = fit_clip(clip, BUNDLE, resize=True)
    assert fitted.size == (64, 96)
    for original, frame in zip(clip.frames, fitted.frames, strict=True):
        assert (frame.shape, frame.dtype) == ((64, 96, 3), np.uint8)
        blocks = original.reshape(64, 2, 96, 2, 3).mean(axis=(1, 3))
        assert np.abs(frame - blocks).max() <= 1
    assert set(np.unique(fitted.first_mask)) <= {0, 1, 2}
    np.testing.assert_array_equal(fitted.first_mask, clip.first_mask[::2, ::2])
    assert fitted.truth is not None
    assert clip.truth is not None
    np.testing.assert_array_equal(fitted.truth(1), clip.truth(1)[::2, ::2])
