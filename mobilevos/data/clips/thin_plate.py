"""Smooth random bending by thin-plate splines (Bookstein, 1989)."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["bending_fields", "thin_plate_basis"]

CONTROL = 4
"""Control points along a side."""

COARSE = 17
"""Points along a side at which the spline is evaluated; between them the field is interpolated."""


def thin_plate_basis(control: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The spline's value at `points` is this matrix times its values at `control`.

    The spline through the control values minimises the bending energy; its kernel is `U(r) = r^2 log r^2`.

    Args:
        control: `[K, 2]`, not all on a line.
        points: `[N, 2]`.

    Returns:
        `[N, K]`.
    """
    count = len(control)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _kernel(control, control)
    system[:count, count:] = _affine(control)
    system[count:, :count] = _affine(control).T
    weights = np.linalg.inv(system)[:, :count]
    evaluation: NDArray[np.float64] = np.hstack([_kernel(points, control), _affine(points)]) @ weights
    return evaluation


def bending_fields(rng: np.random.Generator, frames: int, crop: int, reach: float) -> list[NDArray[np.float32] | None]:
    """Displacement per frame, wandering away from the flat first frame.

    Args:
        rng: Draws the control points' steps.
        frames: Of the clip.
        crop: Side in pixels.
        reach: Largest step of a control point per frame along each axis, as a fraction of the crop's side.

    Returns:
        Per frame `[crop, crop, 2]` float32 in pixels, or None where it is flat.
    """
    if reach == 0:
        return [None] * frames
    steps = rng.uniform(-reach, reach, (frames - 1, CONTROL * CONTROL, 2)) * crop
    return [None] + [_field(offsets, crop) for offsets in np.cumsum(steps, axis=0)]


def _field(offsets: NDArray[np.float64], crop: int) -> NDArray[np.float32]:
    coarse = (_grid_basis() @ offsets).reshape(COARSE, COARSE, 2).astype(np.float32)
    return cv2.resize(coarse, (crop, crop), interpolation=cv2.INTER_CUBIC)  # type: ignore[no-any-return]


@lru_cache(maxsize=1)
def _grid_basis() -> NDArray[np.float64]:
    return thin_plate_basis(_unit_grid(CONTROL), _unit_grid(COARSE))


def _unit_grid(side: int) -> NDArray[np.float64]:
    y, x = np.mgrid[:side, :side] / (side - 1)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _affine(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.hstack([np.ones((len(points), 1)), points])


def _kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    squared = ((a[:, None] - b[None]) ** 2).sum(axis=-1)
    kernel: NDArray[np.float64] = squared * np.log(np.where(squared == 0, 1, squared))
    return kernel
