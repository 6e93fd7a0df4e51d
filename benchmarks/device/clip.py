"""A clip for a bundle of another size: resized, where the user asks for it, before it goes to a phone as raw pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.clips import Clip
from mobilevos.bundle import Bundle
from mobilevos.contract import STRIDE
from mobilevos.errors import InputError

__all__ = ["fit_clip"]

Picture = NDArray[np.uint8]


def fit_clip(clip: Clip, bundle: Bundle, *, resize: bool = False) -> Clip:
    """The clip at a size that a bundle takes: its own, if that padded to multiples of 16 is the bundle's.

    Args:
        clip: Of any size.
        bundle: That it is to be run on.
        resize: Whether frames of another size are resized: bilinear for frames, nearest pixel for masks.

    Raises:
        InputError: It is of another size and `resize` is false.
    """
    wanted = (bundle.dimensions.height, bundle.dimensions.width)
    if tuple(-(-side // STRIDE) * STRIDE for side in clip.size) == wanted:
        return clip
    if not resize:
        expected, found = ("x".join(map(str, size)) for size in (wanted, clip.size))
        remedy = f"pass --resize, or export with `--size {found}`"
        raise InputError(f"clip {clip.name} is not of the bundle's size", expected=expected, found=found, remedy=remedy)
    truth = None if clip.truth is None else _ResizedTruth(clip.truth, wanted)
    first = _resized(clip.first_mask, wanted, cv2.INTER_NEAREST)
    return replace(clip, size=wanted, frames=_Resized(clip.frames, wanted), first_mask=first, truth=truth)


@dataclass(frozen=True)
class _Resized:
    frames: Iterable[Picture]
    size: tuple[int, int]

    def __iter__(self) -> Iterator[Picture]:
        return (_resized(frame, self.size, cv2.INTER_LINEAR) for frame in self.frames)


@dataclass(frozen=True)
class _ResizedTruth:
    truth: Callable[[int], Picture]
    size: tuple[int, int]

    def __call__(self, index: int) -> Picture:
        return _resized(self.truth(index), self.size, cv2.INTER_NEAREST)


def _resized(picture: Picture, size: tuple[int, int], interpolation: int) -> Picture:
    resized: Picture = cv2.resize(picture, size[::-1], interpolation=interpolation)
    return resized
