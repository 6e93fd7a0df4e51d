from __future__ import annotations

import numpy as np
import pytest

from mobilevos.data.clips.thin_plate import bending_fields, thin_plate_basis

CONTROL = np.random.default_rng(0).uniform(0, 1, (9, 2))
POINTS = np.random.default_rng(1).uniform(0, 1, (20, 2))


def test_the_spline_goes_through_its_control_values() -> None:
    np.testing.assert_allclose(thin_plate_basis(CONTROL, CONTROL), np.eye(9), atol=1e-9)


def test_an_affine_map_is_reproduced_exactly() -> None:
    matrix, offset = np.array([[1.2, -0.3], [0.1, 0.8]]), np.array([0.5, -2.0])
    bent = thin_plate_basis(CONTROL, POINTS) @ (CONTROL @ matrix + offset)
    np.testing.assert_allclose(bent, POINTS @ matrix + offset, atol=1e-9)


def test_the_basis_equals_a_plain_solution_point_by_point() -> None:
    values = np.random.default_rng(2).normal(size=9)

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        r = float(np.hypot(*(a - b)))
        return 0.0 if r == 0 else r**2 * float(np.log(r**2))

    system = np.zeros((12, 12))
    for i in range(9):
        system[i, 9:] = system[9:, i] = 1, *CONTROL[i]
        for j in range(9):
            system[i, j] = kernel(CONTROL[i], CONTROL[j])
    weights = np.linalg.solve(system, np.concatenate([values, np.zeros(3)]))
    expected = [
        sum(w * kernel(p, c) for w, c in zip(weights, CONTROL, strict=False)) + weights[9:] @ (1, *p) for p in POINTS
    ]
    np.testing.assert_allclose(thin_plate_basis(CONTROL, POINTS) @ values, expected, atol=1e-9)


def test_the_first_frame_is_flat_and_later_ones_bend_by_at_most_their_steps() -> None:
    first, second, third = bending_fields(np.random.default_rng(3), 3, 64, reach=0.05)
    assert first is None
    assert second is not None
    assert third is not None
    assert second.shape == (64, 64, 2)
    assert second.dtype == np.float32
    largest = 1.25 * 0.05 * 64  # the spline overshoots its control points a little
    assert 0.5 < np.abs(second).max() < largest
    assert np.abs(third - second).max() < largest


@pytest.mark.parametrize("frames", [1, 3])
def test_no_reach_gives_flat_frames(frames: int) -> None:
    assert bending_fields(np.random.default_rng(0), frames, 64, reach=0) == [None] * frames
