"""Where each pixel of a crop is taken from: windows, motion, and one resampling for both.

A matrix is `[3, 3]` float64 and maps homogeneous pixel positions `(x, y, 1)`, whole numbers at pixel centres.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevos.data.clips.configuration import MotionConfig

__all__ = ["Matrix", "Sampling", "motion_matrices", "random_poses", "window_matrix"]

Matrix = NDArray[np.float64]


def window_matrix(centre: tuple[float, float], extent: tuple[float, float], crop: int, *, flip: bool) -> Matrix:
    """Crop to source: the window about `centre` fills the crop.

    Args:
        centre: Of the window, (x, y) in source pixels.
        extent: Width and height of the window, in source pixels.
        crop: Side of the square crop, in pixels.
        flip: Mirror left to right.
    """
    middle = (crop - 1) / 2
    sx, sy = extent[0] / crop * (-1 if flip else 1), extent[1] / crop
    matrix: Matrix = np.array([[sx, 0, centre[0] - sx * middle], [0, sy, centre[1] - sy * middle], [0, 0, 1]])
    return matrix


def random_poses(rng: np.random.Generator, frames: int, config: MotionConfig) -> NDArray[np.float64]:
    """A bounded random walk of poses.

    Returns:
        `[frames, 5]`: rotation and shear in radians, natural logarithm of the scale, x and y shift as a
        fraction of the crop's side. The first row is 0.
    """
    reach = np.array(
        [
            np.deg2rad(config.rotation),
            np.deg2rad(config.shear),
            np.log(config.scale),
            config.translation,
            config.translation,
        ]
    )
    speed = rng.uniform(0.1, 1.0)
    steps = rng.uniform(-speed, speed, (frames, 5))
    poses = np.zeros((frames, 5))
    for t in range(1, frames):
        poses[t] = np.clip(poses[t - 1] + steps[t], -config.spread, config.spread)
    walk: NDArray[np.float64] = poses * reach
    return walk


def motion_matrices(poses: NDArray[np.float64], pivot: tuple[float, float], crop: int) -> list[Matrix]:
    """First frame to frame t, within the crop: scale, shear and rotation about `pivot` (x, y), then shift."""
    matrices = []
    for rotation, shear, log_scale, dx, dy in poses:
        cos, sin, scale = np.cos(rotation), np.sin(rotation), np.exp(log_scale)
        linear = scale * np.array([[cos, -sin], [sin, cos]]) @ np.array([[1, np.tan(shear)], [0, 1]])
        matrix = np.eye(3)
        matrix[:2, :2] = linear
        matrix[:2, 2] = np.asarray(pivot) + np.array([dx, dy]) * crop - linear @ np.asarray(pivot)
        matrices.append(matrix)
    return matrices


@dataclass(frozen=True)
class Sampling:
    """Takes a crop from a source in a single resampling.

    Attributes:
        matrix: Crop to source.
        crop: Side of the square crop, in pixels.
        bend: Displacement `[crop, crop, 2]` float32 in crop pixels, added before the matrix; None for none.
    """

    matrix: Matrix
    crop: int
    bend: NDArray[np.float32] | None = None

    def take(
        self, source: NDArray[np.uint8], *, fill: tuple[float, ...] = (0.0,), nearest: bool = False
    ) -> NDArray[np.uint8]:
        """Resamples `source [h, w]` or `[h, w, C]` to `[crop, crop]` or `[crop, crop, C]`.

        Args:
            source: Image or label map.
            fill: Value per channel of what lies outside the source.
            nearest: Take the nearest pixel (ids); otherwise interpolate linearly.
        """
        interpolation = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
        if self.bend is None:
            return cv2.warpAffine(  # type: ignore[no-any-return]
                source,
                self.matrix[:2],
                (self.crop, self.crop),
                flags=interpolation | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=fill,
            )
        return cv2.remap(  # type: ignore[no-any-return]
            source, self._positions, None, interpolation, borderMode=cv2.BORDER_CONSTANT, borderValue=fill
        )

    @cached_property
    def _positions(self) -> NDArray[np.float32]:
        """Source position (x, y) of each crop pixel, `[crop, crop, 2]`."""
        grid = _grid(self.crop) if self.bend is None else _grid(self.crop) + self.bend
        return cv2.transform(grid, self.matrix[:2])  # type: ignore[no-any-return]


@lru_cache(maxsize=1)
def _grid(crop: int) -> NDArray[np.float32]:
    y, x = np.mgrid[:crop, :crop]
    return np.stack([x, y], axis=-1).astype(np.float32)
