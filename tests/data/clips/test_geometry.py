from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevos.data.clips.configuration import MotionConfig
from mobilevos.data.clips.geometry import Sampling, motion_matrices, random_poses, window_matrix
from mobilevos.errors import InputError


def moved(matrix: np.ndarray, x: float, y: float) -> tuple[float, float]:
    out = matrix @ np.array([x, y, 1.0])
    return float(out[0]), float(out[1])


def bilinear(source: np.ndarray, x: float, y: float) -> float:
    """Plain reference: linear interpolation, 0 outside."""
    x0, y0 = int(np.floor(x)), int(np.floor(y))
    total = 0.0
    for yy in (y0, y0 + 1):
        for xx in (x0, x0 + 1):
            if 0 <= yy < source.shape[0] and 0 <= xx < source.shape[1]:
                total += float(source[yy, xx]) * (1 - abs(x - xx)) * (1 - abs(y - yy))
    return total


def test_a_window_fills_the_crop_edge_to_edge() -> None:
    matrix = window_matrix((99.5, 49.5), (200, 100), 64, flip=False)  # the whole of a 200x100 source
    assert moved(matrix, -0.5, -0.5) == pytest.approx((-0.5, -0.5))
    assert moved(matrix, 63.5, 63.5) == pytest.approx((199.5, 99.5))


def test_a_flipped_window_is_mirrored_left_to_right() -> None:
    plain = window_matrix((30, 40), (20, 50), 64, flip=False)
    mirrored = window_matrix((30, 40), (20, 50), 64, flip=True)
    assert moved(mirrored, 10, 7) == pytest.approx(moved(plain, 63 - 10, 7))


@given(st.integers(0, 10_000), st.integers(1, 9))
def test_poses_start_at_rest_and_stay_within_their_spread(seed: int, frames: int) -> None:
    config = MotionConfig(rotation=30, shear=10, scale=1.5, translation=0.2, spread=1.5)
    poses = random_poses(np.random.default_rng(seed), frames, config)
    assert poses.shape == (frames, 5)
    assert not poses[0].any()
    reach = np.array([np.deg2rad(30), np.deg2rad(10), np.log(1.5), 0.2, 0.2])
    assert (np.abs(poses) <= 1.5 * reach + 1e-12).all()
    assert (np.abs(np.diff(poses, axis=0)) <= reach + 1e-12).all()


@given(st.integers(0, 10_000))
def test_motion_keeps_its_pivot_but_for_the_shift(seed: int) -> None:
    poses = random_poses(np.random.default_rng(seed), 3, MotionConfig())
    for pose, matrix in zip(poses, motion_matrices(poses, (20.0, 30.0), 100), strict=True):
        assert moved(matrix, 20, 30) == pytest.approx((20 + 100 * pose[3], 30 + 100 * pose[4]))
        assert np.sqrt(np.linalg.det(matrix[:2, :2])) == pytest.approx(np.exp(pose[2]))


@pytest.mark.parametrize("bent", [False, True])
def test_sampling_equals_plain_bilinear_interpolation(bent: bool) -> None:
    rng = np.random.default_rng(0)
    source = rng.integers(0, 256, (30, 40), dtype=np.uint8)
    matrix = np.array([[1.1, 0.3, 2.0], [-0.2, 0.9, 5.0], [0, 0, 1]])
    bend = rng.uniform(-2, 2, (24, 24, 2)).astype(np.float32) if bent else None
    taken = Sampling(matrix, 24, bend).take(source)
    offset = np.zeros((24, 24, 2)) if bend is None else bend
    expected = [
        [bilinear(source, *moved(matrix, x + offset[y, x, 0], y + offset[y, x, 1])) for x in range(24)]
        for y in range(24)
    ]
    # OpenCV rounds positions to 1/32 pixel: up to 1/64 of the contrast 255, along both axes.
    assert np.abs(taken - np.array(expected)).max() <= 2 * 255 / 64 + 1


def test_labels_are_taken_from_the_nearest_pixel() -> None:
    source = np.array([[0, 0, 7, 7, 200, 200]] * 6, np.uint8)
    matrix = window_matrix((2.5, 2.5), (6, 6), 24, flip=False)
    taken = Sampling(matrix, 24).take(source, nearest=True)
    assert set(np.unique(taken)) == {0, 7, 200}
    assert (taken == np.repeat(np.repeat(source, 4, axis=0), 4, axis=1)).mean() > 0.99


def test_outside_the_source_lies_the_fill() -> None:
    matrix = window_matrix((50, 5), (10, 10), 8, flip=False)
    assert (Sampling(matrix, 8).take(np.full((10, 10, 3), 9, np.uint8), fill=(1, 2, 3)) == (1, 2, 3)).all()


def test_a_scale_below_one_is_refused() -> None:
    with pytest.raises(InputError, match=r"motion\.scale; expected at least 1; found 0\.8"):
        MotionConfig(scale=0.8)
