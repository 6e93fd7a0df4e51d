"""The clip that every bundle is judged on: 30 synthetic frames, two objects, and the masks in which they are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevos.data.synthetic import SyntheticClip

__all__ = ["APPEARS", "FRAMES", "GoldenClip", "synthetic_clip"]

FRAMES = 30
"""Length of the clip."""

APPEARS = {1: 0, 2: 10}
"""The clip's objects, and the frame at which each is seen, and given, for the first time."""

_BLUR = 160
"""Frame heights to a standard deviation of the blur."""

_LEVELS = 8
"""Grey levels that become one."""


@dataclass(frozen=True, eq=False)
class GoldenClip:
    """A clip and what is given of it.

    Attributes:
        frames: Each `[H, W, 3]`, uint8, RGB.
        given: By index of their frame: object ids `[H, W]`, uint8, 0 for background. An object is given once.
        memory_every: Frames from one memorised frame to the next, as `Tracker` takes it.
        seed: That the clip was made from.
    """

    frames: tuple[NDArray[np.uint8], ...]
    given: Mapping[int, NDArray[np.uint8]]
    memory_every: int
    seed: int


def synthetic_clip(size: tuple[int, int], *, memory_every: int = 5, seed: int = 0) -> GoldenClip:
    """Makes the golden clip: the same arguments give the same pixels.

    The frames are blurred, and their grey levels are multiples of 8: the same clip at full detail is five times as
    large as PNG files, and tells no more of a bundle.

    Args:
        size: Height and width of the frames, in pixels, 16 or more.
        memory_every: As in `GoldenClip`.
        seed: 0 or more.
    """
    appears = {object_id: start for object_id, start in APPEARS.items() if start}
    clip = SyntheticClip(seed, FRAMES, size, len(APPEARS), appears=appears)
    given = {}
    for object_id, start in APPEARS.items():
        labels = clip.mask(start)
        given[start] = np.where(labels == object_id, labels, np.uint8(0))
    return GoldenClip(tuple(_smooth(frame) for frame in clip), given, memory_every, seed)


def _smooth(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    blurred = cv2.GaussianBlur(frame, (0, 0), len(frame) / _BLUR)
    levels: NDArray[np.uint8] = blurred.astype(np.uint8) // _LEVELS * _LEVELS
    return levels
