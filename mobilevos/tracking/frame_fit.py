"""How a video's frames are fitted to the network's input, and its output to the frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevos.contract import STRIDE
from mobilevos.engines.engine import Array, EngineInfo
from mobilevos.errors import InputError

__all__ = ["FrameFit", "check_frame", "fit_frames"]


def check_frame(frame: NDArray[Any]) -> None:
    """Checks that `frame` is an RGB picture: `[H, W, 3]`, uint8 or float32 in 0..1, of any strides.

    Raises:
        InputError: It is not, or it holds NaN.
    """
    expected = "[H, W, 3] RGB, uint8 or float32 in 0..1"
    if frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape or frame.dtype not in (np.uint8, np.float32):
        raise InputError("cannot use the frame", expected=expected, found=f"{frame.dtype} {list(frame.shape)}")
    if frame.dtype == np.float32:
        low, high = float(frame.min()), float(frame.max())
        if not (low >= 0 and high <= 1):  # false for NaN, which min and max pass on
            raise InputError("cannot use the frame", expected=expected, found=f"values from {low:g} to {high:g}")


@dataclass(frozen=True)
class FrameFit:
    """The way from a video's frames to the network's input and back.

    A frame lies at the top left of the network's input, with zeros (black) below it and to its right. A frame
    that is resized fills the whole input: bilinear for pictures and probabilities, nearest pixel for masks.

    Attributes:
        frame_size: Height and width of the video's frames, in pixels.
        network_size: Height and width of the network's input, in pixels, multiples of 16.
        resized: Whether frames are resized to it instead of padded.
    """

    frame_size: tuple[int, int]
    network_size: tuple[int, int]
    resized: bool

    def write_image(self, frame: NDArray[Any], out: Array) -> None:
        """Writes a checked frame into the network's input `[1, 3, H, W]`, as RGB in 0..1.

        Padding is not written: `out` was zeros and every frame covers the same part of it.
        """
        frame = np.ascontiguousarray(frame)
        if self.resized:
            frame = self._resize(frame, self.network_size, cv2.INTER_LINEAR)
        height, width = frame.shape[:2]
        scale = np.float32(255 if frame.dtype == np.uint8 else 1)
        for plane, target in zip(cv2.split(frame), out[0], strict=True):
            np.divide(plane, scale, out=target[:height, :width])

    def fit_mask(self, mask: NDArray[np.uint16]) -> NDArray[np.uint16]:
        """The mask of object ids `[h, w]` at the network's size; padding is background."""
        if self.resized:
            return self._resize(mask, self.network_size, cv2.INTER_NEAREST)
        fitted = np.zeros(self.network_size, mask.dtype)
        fitted[: mask.shape[0], : mask.shape[1]] = mask
        return fitted

    def restore(self, probabilities: Array) -> Array:
        """Probabilities `[O+1, H, W]` cut or resized from the network's size to the frame's; maybe a view."""
        if self.resized:
            planes = [self._resize(plane, self.frame_size, cv2.INTER_LINEAR) for plane in probabilities]
            return np.stack(planes)
        height, width = self.frame_size
        return probabilities[:, :height, :width]

    @staticmethod
    def _resize(picture: NDArray[Any], size: tuple[int, int], interpolation: int) -> NDArray[Any]:
        resized: NDArray[Any] = cv2.resize(picture, size[::-1], interpolation=interpolation)
        return resized


def fit_frames(frame_size: tuple[int, int], info: EngineInfo, *, resize: bool) -> FrameFit:
    """How a video's frames go into an engine: padded to multiples of 16, or resized if need be and allowed.

    Args:
        frame_size: Height and width of the video's frames, in pixels.
        info: Of the engine.
        resize: Resize frames whose padded size is not the one that the engine takes.

    Raises:
        InputError: The engine takes another size and `resize` is false.
    """
    padded = (frame_size[0] + -frame_size[0] % STRIDE, frame_size[1] + -frame_size[1] % STRIDE)
    if info.input_size is None or info.input_size == padded:
        return FrameFit(frame_size, padded, resized=False)
    if resize:
        return FrameFit(frame_size, info.input_size, resized=True)
    raise InputError(
        f"engine {info.name} cannot take frames of {_text(frame_size)}, which pad to {_text(padded)}",
        expected=f"{_text(info.input_size)} (height x width)",
        remedy=f"export with `--size {_text(padded)}`, or let the tracker resize the frames",
    )


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
