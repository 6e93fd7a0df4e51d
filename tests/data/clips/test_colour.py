from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mobilevos.data.clips.colour import colour_matrices, colour_matrix, motion_blur, recolour
from mobilevos.data.clips.configuration import BlurConfig, ColourConfig

IMAGE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def test_neutral_factors_leave_the_image() -> None:
    np.testing.assert_array_equal(recolour(IMAGE, colour_matrix(1, 1, 1, 0)), IMAGE)


@given(st.floats(0, 2), st.floats(-180, 180), st.integers(0, 255))
def test_saturation_and_hue_leave_grey_alone(saturation: float, hue: float, level: int) -> None:
    grey = np.full((2, 2, 3), level, np.uint8)
    np.testing.assert_array_equal(recolour(grey, colour_matrix(1, 1, saturation, hue)), grey)


def test_no_saturation_gives_the_luma_in_every_channel() -> None:
    grey = recolour(IMAGE, colour_matrix(1, 1, 0, 0)).astype(int)
    luma = IMAGE @ np.array([0.299, 0.587, 0.114])
    assert np.abs(grey - luma[..., None]).max() < 0.6  # OpenCV computes in fixed point


def test_contrast_pivots_on_mid_grey_and_brightness_scales() -> None:
    levels = np.array([[[0] * 3, [127] * 3, [200] * 3]], np.uint8)
    np.testing.assert_array_equal(recolour(levels, colour_matrix(1, 0.5, 1, 0))[0, :, 0], [64, 127, 164])
    np.testing.assert_array_equal(recolour(levels, colour_matrix(1.2, 1, 1, 0))[0, :, 0], [0, 152, 240])


def test_without_flicker_all_frames_share_one_draw_and_with_it_they_differ() -> None:
    steady = colour_matrices(np.random.default_rng(1), 3, ColourConfig(flicker=0))
    assert all((matrix == steady[0]).all() for matrix in steady)
    nervous = colour_matrices(np.random.default_rng(1), 3, ColourConfig(flicker=0.5))
    assert not np.allclose(nervous[0], nervous[1])


def test_blur_smears_but_keeps_the_mean_level() -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        blurred = motion_blur(rng, IMAGE, BlurConfig(probability=1, length=9))
        assert blurred.std() < 0.9 * IMAGE.std()
        assert abs(blurred.mean() - IMAGE.mean()) < 12


def test_blur_never_happens_at_probability_zero() -> None:
    assert motion_blur(np.random.default_rng(3), IMAGE, BlurConfig(probability=0)) is IMAGE
