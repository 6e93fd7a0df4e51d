"""The clips that are tracked: a user's, a data set's, or a synthetic one with ground truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mobilevos.data.davis import Davis
from mobilevos.data.masks import read_mask
from mobilevos.data.sequence import Sequence
from mobilevos.data.synthetic import SyntheticClip
from mobilevos.data.video import VideoReader, open_frames
from mobilevos.errors import InputError

__all__ = ["Clip", "davis_clip", "head", "named_clips", "synthetic_clip", "user_clip"]

Labels = NDArray[np.uint8]

_FPS = Fraction(24)
_DAVIS = "davis:"


@dataclass(frozen=True)
class Clip:
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


def synthetic_clip(length: int = 60, size: tuple[int, int] = (480, 854), objects: int = 2) -> Clip:
    """A clip made from nothing, always the same one."""
    clip = SyntheticClip(0, length, size, objects)
    return Clip("synthetic", clip, length, size, _FPS, clip.mask(0), clip.mask)


def user_clip(video: Path, mask: Path) -> Clip:
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
        return Clip(str(video), frames, frames.length, frames.size, frames.fps, labels, None)
    return Clip(str(video), frames, len(frames), frames.size, _FPS, labels, None)


def davis_clip(sequence: Sequence) -> Clip:
    """A sequence of DAVIS, whose every frame is annotated and whose objects are all given on the first.

    Raises:
        InputError: Its first frame or mask cannot be read, or the mask holds no objects.
    """

    def truth(index: int) -> Labels:
        labels = sequence.annotation(index)
        assert labels is not None, "every frame of DAVIS is annotated"
        return labels

    first = sequence.prompt(0)
    if first is None:
        raise InputError(f"no object in the first mask of {sequence.name}")
    size, length = sequence.frames.size, len(sequence.frames)
    return Clip(f"davis:{sequence.name}", sequence.frames, length, size, _FPS, first, truth)


def head(clip: Clip, frames: int) -> Clip:
    """The first `frames` frames of a clip, or all where there are not so many."""
    length = frames if clip.length is None else min(frames, clip.length)
    return replace(clip, frames=_Head(clip.frames, frames), length=length)


@dataclass(frozen=True)
class _Head:
    frames: Iterable[NDArray[np.uint8]]
    count: int

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return islice(self.frames, self.count)


def named_clips(
    name: str, *, mask: Path | None = None, size: tuple[int, int] = (480, 864), objects: int = 1, frames: int = 60
) -> list[Clip]:
    """The clips that `--clip` names.

    Args:
        name: `synthetic`; `davis:ROOT` for every sequence of DAVIS 2016's validation split that is there, or
            `davis:ROOT:dog,libby` for some; else a video file or a folder of frames.
        mask: Of such a video's first frame.
        size: Height and width of the synthetic clip, in pixels.
        objects: Of the synthetic clip.
        frames: Of the synthetic clip.

    Raises:
        InputError: There is no such clip, or the mask is missing or not wanted.
    """
    is_video = name != "synthetic" and not name.startswith(_DAVIS)
    if is_video != (mask is not None):
        remedy = "pass --mask PNG of its first frame" if is_video else "leave out --mask"
        raise InputError(f"--clip {name}", expected="a mask with a video, and with nothing else", remedy=remedy)
    if mask is not None:
        return [user_clip(Path(name), mask)]
    if name == "synthetic":
        return [synthetic_clip(frames, size, objects)]
    root, _, chosen = name.removeprefix(_DAVIS).partition(":")
    davis = Davis(root)
    names = [one.strip() for one in chosen.split(",")] if chosen else list(davis.names)
    return [davis_clip(davis.sequence(one)) for one in names]
