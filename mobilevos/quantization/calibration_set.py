"""Frames to find ranges on: a DAVIS data set, or any folder of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mobilevos.data.davis import Davis
from mobilevos.data.frames import ImageFolder
from mobilevos.errors import InputError

__all__ = ["ENOUGH_FRAMES", "CalibrationClip", "CalibrationSet", "open_calibration_set"]

ENOUGH_FRAMES = 16
"""With fewer, another frame still moves the ranges."""

_STEP = 3
"""Frames of a clip from one that is used to the next: neighbours look alike."""

_LEAST_PER_CLIP = 4
"""Frames: the given mask, a prediction from it, and predictions from what was predicted."""

_FLAT = 3
"""Levels, of 255, that a channel may vary by in a frame of one colour: what a JPEG encoder does to it."""


@dataclass(frozen=True, eq=False)
class CalibrationClip:
    """A clip and the mask of its first frame.

    Attributes:
        frames: All frames, `[H, W, 3]`, uint8, RGB, read when asked for.
        indices: Those that are used, ascending.
        mask: Object ids `[H, W]` of the first that is used.
    """

    frames: Sequence[NDArray[np.uint8]] | ImageFolder
    indices: tuple[int, ...]
    mask: NDArray[np.uint8]

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (self.frames[index] for index in self.indices)


@dataclass(frozen=True)
class CalibrationSet:
    """Clips to run the network on.

    Attributes:
        source: Where they come from, for messages and the manifest.
        clips: At least one.
        split: Of a DAVIS data set, `train` or `val`; empty for any other.

    Raises:
        InputError: Every frame is of one colour, which says nothing of what the network computes on others.
    """

    source: str
    clips: tuple[CalibrationClip, ...]
    split: str = ""

    def __post_init__(self) -> None:
        frames = (frame for clip in self.clips for frame in clip)
        if all(np.ptp(frame.reshape(-1, 3), axis=0).max() <= _FLAT for frame in frames):
            raise InputError(
                f"cannot calibrate on {self.source}", expected="pictures", found="frames of one constant colour"
            )

    @property
    def frames(self) -> int:
        """How many are used."""
        return sum(len(clip.indices) for clip in self.clips)

    @property
    def description(self) -> str:
        """For the manifest, which names no folder of the machine."""
        split = f", split {self.split}" if self.split else ""
        return f"{self.frames} frames of {Path(self.source).name}{split}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is to be said to the user: that they are few, or of the split that networks are scored on."""
        said = []
        if self.frames < ENOUGH_FRAMES:
            said.append(
                f"only {self.frames} frames to calibrate on in {self.source}: ranges are better from {ENOUGH_FRAMES} on"
            )
        if self.split == "val":
            said.append(
                f"no training sequence in {self.source}: calibrating on split val, on which scores are then too good"
            )
        return tuple(said)


def open_calibration_set(folder: Path | str, frames: int = 64) -> CalibrationSet:
    """Chooses frames of a folder.

    Of a DAVIS data set, the training sequences are taken, or where none is on disk those for validation, each with the
    objects of its first mask. Any other folder is one clip of images; its object is a disc in the middle, which will
    do: ranges depend on there being an object and not on which.

    Args:
        folder: A DAVIS root, or holds images.
        frames: How many to take, spread over the sequences; a few more where that leaves less than four for each.

    Raises:
        InputError: The folder does not exist, holds no frames, or its frames are of one constant colour.
    """
    folder = Path(folder)
    if (folder / "JPEGImages").is_dir():
        sequences = _davis_sequences(folder)
        share = max(_LEAST_PER_CLIP, ceil(frames / len(sequences.names)))
        opened = (sequences.sequence(name) for name in sequences.names)
        clips = tuple(_clip(one.frames, one.prompt(0), share) for one in opened)
        return CalibrationSet(str(folder), clips, sequences.split)
    images = ImageFolder(folder)
    return CalibrationSet(str(folder), (_clip(images, None, frames),))


def _davis_sequences(root: Path) -> Davis:
    refusal: InputError | None = None
    for split, year in product(("train", "val"), (2017, 2016)):
        try:
            return Davis(root, year, split)
        except InputError as error:
            refusal = refusal or error
    assert refusal is not None
    raise refusal


def _clip(images: ImageFolder, mask: NDArray[np.uint8] | None, frames: int) -> CalibrationClip:
    step = max(1, min(_STEP, len(images) // frames))
    indices = tuple(range(0, len(images), step))[:frames]
    return CalibrationClip(images, indices, _disc(images.size) if mask is None else mask)


def _disc(size: tuple[int, int]) -> NDArray[np.uint8]:
    """A mask of object 1 in the middle, with a third of the frame's shorter side as its radius."""
    rows, columns = np.ogrid[: size[0], : size[1]]
    distance = np.hypot(rows - size[0] / 2, columns - size[1] / 2)
    return (distance <= max(1.0, min(size) / 3)).astype(np.uint8)
