"""Frames from image files: one image, or a folder of them.

Pillow decodes them, because it refuses a truncated file: OpenCV fills the missing rows with grey and goes on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from mobilevos.errors import InputError

__all__ = ["IMAGE_SUFFIXES", "ImageFolder", "decode_image", "image_size", "list_files", "read_image"]

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
"""File suffixes, in lower case, that `ImageFolder` takes for frames."""

_QUARTER_TURNS = (5, 6, 7, 8)  # EXIF orientations that swap height and width


def decode_image(path: Path | str) -> Image.Image:
    """Decodes a whole image file in its own Pillow mode (`RGB`, `L`, `P`, ...).

    Raises:
        InputError: There is no such file, it is not an image, or it is truncated or corrupt.
    """
    with _one_line(path), Image.open(path) as image:
        image.load()
        return image


@contextmanager
def _one_line(path: Path | str) -> Iterator[None]:
    """Turns whatever Pillow says of a broken file into an `InputError` that names it."""
    try:
        yield
    except OSError as error:  # UnidentifiedImageError and truncated data included
        raise InputError(f"cannot read image {path}", found=error.strerror or str(error)) from error
    except (SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError) as error:
        # Pillow's decoders let these out for files whose structure is broken.
        raise InputError(f"cannot read image {path}", found=f"a corrupt file ({error})") from error
    except (Image.DecompressionBombError, MemoryError) as error:
        raise InputError(f"cannot read image {path}", found="more pixels than fit in memory") from error


def image_size(path: Path | str) -> tuple[int, int]:
    """Height and width of an image turned upright, in pixels. A JPEG is not decoded for it, so it may be truncated.

    Raises:
        InputError: There is no such file, or its header is not that of an image.
    """
    with _one_line(path), Image.open(path) as image:
        width, height = image.size
        lies = image.getexif().get(ExifTags.Base.Orientation, 1) in _QUARTER_TURNS
    return (width, height) if lies else (height, width)


def read_image(path: Path | str) -> NDArray[np.uint8]:
    """Reads an 8-bit image of any colour mode, turned upright as its EXIF orientation says.

    Returns:
        `[H, W, 3]`, uint8, RGB, in C order. Transparency is dropped.

    Raises:
        InputError: As `decode_image`, or it holds more than 8 bits a channel.
    """
    image = decode_image(path)
    if image.mode.startswith(("I", "F")):
        raise InputError(f"cannot use image {path}", expected="8 bits a channel", found=f"mode {image.mode}")
    ImageOps.exif_transpose(image, in_place=True)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def list_files(folder: Path | str, suffixes: frozenset[str]) -> list[Path]:
    """Visible files of a folder with one of these lower-case suffixes, in counting order of their names.

    Raises:
        InputError: The folder cannot be listed.
    """
    try:
        entries = [path for path in Path(folder).iterdir() if path.suffix.lower() in suffixes]
    except OSError as error:
        raise InputError(f"cannot list folder {folder}", found=error.strerror or str(error)) from error
    return sorted((path for path in entries if not path.name.startswith(".")), key=_counting_order)


def _counting_order(path: Path) -> tuple[list[str | int], str]:
    # A split by a group alternates text and digits, so that like is compared with like: frame_2 < frame_10.
    parts = re.split(r"(\d+)", path.stem)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], path.name


class ImageFolder:
    """The frames of a clip: the images of one folder, in counting order of their names, read when asked for.

    Args:
        folder: Holds the images; other files and hidden ones are passed over.

    Attributes:
        folder: As given.
        paths: Files of the frames, in order.
        names: Their names without suffix, which outputs are named by.

    Raises:
        InputError: The folder cannot be listed, holds no image, or two images differ in their suffix alone.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.paths = tuple(list_files(self.folder, IMAGE_SUFFIXES))
        self.names = tuple(path.stem for path in self.paths)
        if not self.paths:
            expected = f"images ({' '.join(sorted(IMAGE_SUFFIXES))})"
            raise InputError(f"no frames in {self.folder}", expected=expected)
        if len(set(self.names)) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise InputError(f"two frames named {twice} in {self.folder}", expected="one image a frame")

    def head(self, frames: int) -> ImageFolder:
        """The first `frames` frames alone, or all where there are not so many."""
        shorter = copy(self)
        shorter.paths, shorter.names = self.paths[:frames], self.names[:frames]
        return shorter

    @cached_property
    def size(self) -> tuple[int, int]:
        """Height and width of the first frame, and so of all, in pixels.

        Raises:
            InputError: The first frame's header cannot be read.
        """
        return image_size(self.paths[0])

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """Frame `index` as `[H, W, 3]`, uint8, RGB.

        Raises:
            IndexError: There is no such frame.
            InputError: The frame cannot be read or is of another size than the first.
        """
        path = self.paths[index]
        frame = read_image(path)
        height, width = self.size
        if frame.shape[:2] != (height, width):
            expected = f"{width}x{height} like {self.names[0]}"
            found = f"{frame.shape[1]}x{frame.shape[0]}"
            raise InputError(f"frame {path} is of another size", expected=expected, found=found)
        return frame

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (self[index] for index in range(len(self)))
