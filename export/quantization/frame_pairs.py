"""Pairs of frames to measure on, from a folder as calibration takes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.quantization.sensitivity import FramePair
from mobilevos.contract import Dimensions
from mobilevos.engines.engine import EngineInfo
from mobilevos.errors import InputError
from mobilevos.quantization.calibration_set import CalibrationClip, open_calibration_set
from mobilevos.tracking.frame_fit import FrameFit, fit_frames

__all__ = ["read_pairs"]

_LATER = 6
"""Frames from the first to the later one: enough for the object to move, too few for it to be lost."""


def read_pairs(folder: Path, pairs: int, dimensions: Dimensions) -> list[FramePair]:
    """The first frame of a clip with its objects as one, and a later one, of as many clips as there are pairs.

    Args:
        folder: A DAVIS root, whose clips are spread over the list, or holds images, which give one pair.
        pairs: How many are wanted; fewer are given if there are fewer clips.
        dimensions: Frames are resized to theirs where they do not pad to them.

    Raises:
        InputError: The folder cannot be used, or a clip has one frame.
    """
    clips = open_calibration_set(folder, frames=1).clips
    step = max(1, len(clips) // pairs)
    return [_pair(clip, folder, dimensions) for clip in clips[::step][:pairs]]


def _pair(clip: CalibrationClip, folder: Path, dimensions: Dimensions) -> FramePair:
    later = min(_LATER, len(clip.frames) - 1)
    if later < 1:
        raise InputError(f"cannot measure on {folder}", expected="clips of two frames and more", found="one frame")
    first, last = clip.frames[clip.indices[0]], clip.frames[later]
    fit = fit_frames(first.shape[:2], _info(dimensions), resize=True)
    mask = fit.fit_mask((clip.mask > 0).astype(np.uint16))
    return FramePair(
        _image(first, fit, dimensions),
        torch.from_numpy(mask.astype(np.float32))[None, None],
        _image(last, fit, dimensions),
    )


def _image(frame: NDArray[np.uint8], fit: FrameFit, dimensions: Dimensions) -> Tensor:
    image = np.zeros((1, 3, dimensions.height, dimensions.width), np.float32)
    fit.write_image(frame, image)
    return torch.from_numpy(image)


def _info(d: Dimensions) -> EngineInfo:
    """That of an engine for one frame size."""
    return EngineInfo("float", d.key_channels, d.value_channels, (d.height, d.width), d.memory_frames, 1, {})
