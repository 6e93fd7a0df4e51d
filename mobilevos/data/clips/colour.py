"""Colour jitter as one linear map per frame, and motion blur."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevos.data.clips.configuration import BlurConfig, ColourConfig

__all__ = ["colour_matrices", "colour_matrix", "motion_blur", "recolour"]

_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)


def colour_matrix(brightness: float, contrast: float, saturation: float, hue: float) -> NDArray[np.float64]:
    """RGB in 0..255 to RGB: saturation and hue in YIQ, then contrast about mid grey, then brightness.

    Args:
        brightness: Factor; 1 leaves it.
        contrast: Factor; 1 leaves it.
        saturation: Factor; 1 leaves it, 0 gives grey.
        hue: Rotation in degrees; 0 leaves it.

    Returns:
        `[3, 4]`: a linear part and an offset.
    """
    angle = np.deg2rad(hue)
    cos, sin = saturation * np.cos(angle), saturation * np.sin(angle)
    chroma = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    linear = brightness * contrast * (_FROM_YIQ @ chroma @ _TO_YIQ)
    offset = np.full((3, 1), brightness * (1 - contrast) * 127.5)
    return np.hstack([linear, offset])


def colour_matrices(rng: np.random.Generator, frames: int, config: ColourConfig) -> list[NDArray[np.float64]]:
    """One draw for the clip, and around it a slight one for each frame."""
    common = rng.uniform(-1, 1, 4)
    draws = common + config.flicker * rng.uniform(-1, 1, (frames, 4))
    reach = np.array([config.brightness, config.contrast, config.saturation, config.hue])
    values = draws * reach + np.array([1.0, 1.0, 1.0, 0.0])
    if rng.random() < config.grayscale_probability:
        values[:, 2] = 0
    return [colour_matrix(*row) for row in values]


def recolour(image: NDArray[np.uint8], matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Applies a `[3, 4]` colour matrix to `image [H, W, 3]`; values saturate at 0 and 255."""
    return cv2.transform(image, matrix)  # type: ignore[no-any-return]


def motion_blur(rng: np.random.Generator, image: NDArray[np.uint8], config: BlurConfig) -> NDArray[np.uint8]:
    """With the configured probability, smears `image [H, W, 3]` along a random direction."""
    if config.length < 3 or rng.random() >= config.probability:
        return image
    length, angle = int(rng.integers(3, config.length + 1)), rng.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
    middle = config.length // 2
    kernel = np.zeros((2 * middle + 1, 2 * middle + 1), np.float32)
    for x, y in np.rint(middle + np.linspace(-1, 1, 2 * length)[:, None] * reach).astype(int):
        kernel[y, x] = 1
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101)  # type: ignore[no-any-return]
