"""Reading an image with its labels, no larger than the crop needs."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from mobilevos.data.frames import read_image
from mobilevos.errors import InputError

__all__ = ["LabelledImage", "read_labelled"]

LabelledImage = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""An RGB image `[H, W, 3]` and its label map `[H, W]`."""


def read_labelled(path: Path, labels: NDArray[np.uint8], least: int) -> LabelledImage:
    """Reads the image that `labels` belong to.

    A JPEG at least twice as large as needed is decoded at a half, a quarter or an eighth of its size, which
    saves most of the decoder's work; the labels are then shrunk alike.

    Args:
        path: Of the image.
        labels: `[H, W]`, object ids.
        least: The shorter side that is needed, in pixels.

    Raises:
        InputError: The image is missing or corrupt, or differs in size from the labels.
    """
    height, width = labels.shape
    shorter = min(height, width)
    if shorter >= 2 * least:
        # Whatever this cannot read, read_image below reads, or says what is wrong with it.
        with suppress(OSError), Image.open(path) as file:
            wanted = (width * least // shorter, height * least // shorter)
            if file.size == (width, height) and file.draft("RGB", wanted) is not None:
                ImageOps.exif_transpose(file, in_place=True)
                image = np.array(file.convert("RGB"))
                size = (image.shape[1], image.shape[0])
                return image, cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT)
    image = read_image(path)
    if image.shape[:2] != labels.shape:
        found = f"{image.shape[1]}x{image.shape[0]}"
        raise InputError(f"image {path} is of another size", expected=f"{width}x{height} like its mask", found=found)
    return image, labels
