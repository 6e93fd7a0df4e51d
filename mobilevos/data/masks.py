"""Masks as PNG files: the palette images of DAVIS and YouTube-VOS, whose pixels are object ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mobilevos.data.frames import decode_image
from mobilevos.errors import InputError
from mobilevos.files import atomic_file

__all__ = ["davis_palette", "read_mask", "write_mask"]


def davis_palette() -> list[int]:
    """The palette of DAVIS (and PASCAL VOC): 256 colours as 768 values R, G, B in 0..255.

    The bits of an id are dealt to red, green and blue in turn, the lowest into each channel's highest bit.
    """
    return [
        sum((object_id >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(3))
        for object_id in range(256)
        for channel in range(3)
    ]


def read_mask(path: Path | str) -> NDArray[np.uint8]:
    """Reads a mask's object ids, whatever way it was saved.

    Palette images give their indices, whatever the colours; grey ones (with alpha, or stored as equal RGB
    channels, too) their values. A binary mask, 0 and 255 in an image without palette, gives 0 and 1.

    Returns:
        `[H, W]`, uint8: 0 is background, other values are object ids.

    Raises:
        InputError: The file cannot be read, or its pixels are no object ids (colours, more than 8 bits).
    """
    image = decode_image(path)
    match image.mode:
        case "P":
            return np.array(image)
        case "1":
            return np.array(image, dtype=np.uint8)
        case "L":
            values = np.array(image)
        case "LA":  # one mask of DAVIS 2016 (bear) is such
            values = np.array(image)[..., 0]
        case "RGB" | "RGBA":
            values = _grey_channel(np.array(image), path)
        case mode:
            raise InputError(f"cannot use mask {path}", expected="a palette or 8-bit grey PNG", found=f"mode {mode}")
    return (values > 0).astype(np.uint8) if _is_binary(values) else np.ascontiguousarray(values)


def _grey_channel(pixels: NDArray[np.uint8], path: Path | str) -> NDArray[np.uint8]:
    red = pixels[..., 0]
    if not ((red == pixels[..., 1]).all() and (red == pixels[..., 2]).all()):
        expected = "a palette or 8-bit grey PNG, whose values are object ids"
        raise InputError(f"cannot use mask {path}", expected=expected, found="colours")
    return red


def _is_binary(values: NDArray[np.uint8]) -> bool:
    return bool(((values == 0) | (values == 255)).all())


def write_mask(path: Path | str, labels: NDArray[np.uint8], *, overwrite: bool = True) -> None:
    """Writes object ids as a palette PNG in the colours of DAVIS; the file is whole or absent.

    Args:
        path: Of the PNG; its folder is made if need be.
        labels: `[H, W]`, uint8: 0 is background, other values are object ids.
        overwrite: Whether an existing file may be replaced.

    Raises:
        ValueError: `labels` are not `[H, W]`, uint8.
        InputError: The file exists and may not be replaced, or it cannot be written.
    """
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise ValueError(f"labels must be [H, W], uint8, not {list(labels.shape)}, {labels.dtype}")
    image = Image.fromarray(labels)
    image.putpalette(davis_palette())
    with atomic_file(path, overwrite=overwrite) as temporary:
        image.save(temporary, format="PNG")
