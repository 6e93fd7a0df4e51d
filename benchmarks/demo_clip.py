"""The clip of a demo: the user's, or a synthetic one with ground truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mobilevos.data.masks import read_mask
from mobilevos.data.synthetic import SyntheticClip
from mobilevos.data.video import VideoReader, open_frames
from mobilevos.errors import InputError

__all__ = ["DemoClip", "synthetic_clip", "user_clip"]

Labels = NDArray[np.uint8]

_FPS = Fraction(24)


@dataclass(frozen=True)
class DemoClip:
    """A clip to track.

    Attributes:
        name: For reports.
        frames: Each `[H, W, 3]`, uint8, RGB.
        length: Number of frames; of some video files only about, None if the file does not say.
        size: Height and width, in pixels.
        fps: Frames per second.
        first_mask: Object ids on the first frame, `[H, W]`, uint8.
        truth: Object ids of a frame by its index, where they are known.
    """

    name: str
    frames: Iterable[NDArray[np.uint8]]
    length: int | None
    size: tuple[int, int]
    fps: Fraction
    first_mask: Labels
    truth: Callable[[int], Labels] | None

    @property
    def ids(self) -> list[int]:
        """Ids of the objects of the first mask, ascending."""
        return [int(object_id) for object_id in np.unique(self.first_mask) if object_id]


def synthetic_clip(length: int = 60, size: tuple[int, int] = (480, 854), objects: int = 2) -> DemoClip:
    """A clip made from nothing, always the same one."""
    clip = SyntheticClip(0, length, size, objects)
    return DemoClip("synthetic", clip, length, size, _FPS, clip.mask(0), clip.mask)


def user_clip(video: Path, mask: Path) -> DemoClip:
    """A video file or a folder of images, with the mask of its first frame.

    Raises:
        InputError: One of them cannot be read, they differ in size, or the mask holds no objects.
    """
    frames = open_frames(video)
    labels = read_mask(mask)
    if labels.shape != frames.size:
        expected, found = (f"{width}x{height}" for height, width in (frames.size, labels.shape))
        raise InputError(f"mask {mask} is of another size", expected=f"{expected} like its clip", found=found)
    if not labels.any():
        raise InputError(f"mask {mask} holds no objects", expected="at least one pixel that is not 0")
    if isinstance(frames, VideoReader):
        return DemoClip(str(video), frames, frames.length, frames.size, frames.fps, labels, None)
    return DemoClip(str(video), frames, len(frames), frames.size, _FPS, labels, None)
