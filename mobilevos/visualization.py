"""Pictures for people: masks over frames, frames side by side, and sheets of a clip's frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mobilevos.data.masks import davis_palette
from mobilevos.files import atomic_file

__all__ = ["contact_sheet", "object_colours", "overlay", "side_by_side", "write_image"]

Picture = NDArray[np.uint8]

_PAPER, _INK, _FAINT = (24, 26, 30), (238, 238, 238), (168, 172, 180)


def object_colours() -> Picture:
    """Colour of every object id, `[256, 3]`, uint8, RGB: those of the DAVIS palette, made brighter.

    The palette is meant for label images: over a dark film half of its colours could not be seen. A curve
    lifts its channels, which keeps all colours different.
    """
    palette = np.array(davis_palette()).reshape(256, 3)
    return np.rint(255 * (palette / 255) ** 0.35).astype(np.uint8)


def overlay(frame: Picture, labels: NDArray[np.uint8], alpha: float = 0.5, colours: Picture | None = None) -> Picture:
    """Tints each object in its colour and draws a line inside its outline.

    Args:
        frame: `[H, W, 3]`, uint8, RGB; left as it is.
        labels: `[H, W]`, uint8: 0 is background, other values are object ids.
        alpha: Strength of the tint, 0 (the line alone) to 1 (plain colour).
        colours: `[256, 3]`, uint8, RGB; by default `object_colours()`.

    Returns:
        `[H, W, 3]`, uint8, RGB.

    Raises:
        ValueError: The sizes differ, or `alpha` is out of its range.
    """
    if frame.shape != (*labels.shape, 3):
        raise ValueError(f"labels {list(labels.shape)} do not fit the frame {list(frame.shape)}")
    if not 0 <= alpha <= 1:
        raise ValueError(f"expected alpha in 0..1, got {alpha}")
    colours = object_colours() if colours is None else colours
    result = frame.copy()
    inside = labels > 0
    result[inside] = np.rint((1 - alpha) * frame[inside] + alpha * colours[labels[inside]])
    thickness = max(1, round(min(labels.shape) / 240))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * thickness + 1, 2 * thickness + 1))
    line = inside & (cv2.morphologyEx(labels, cv2.MORPH_GRADIENT, kernel) > 0)
    result[line] = colours[labels[line]]
    return result


def side_by_side(frames: Sequence[Picture], titles: Sequence[str]) -> Picture:
    """Frames of one size next to each other, a title above each: a frame of a comparison video.

    Args:
        frames: Each `[H, W, 3]`, uint8, RGB.
        titles: One per frame.

    Returns:
        `[H + title bar, W * frames + gaps, 3]`, uint8, RGB.

    Raises:
        ValueError: The frames' sizes differ, or there is not one title for each.
    """
    height, width = _common_size(frames)
    if len(titles) != len(frames):
        raise ValueError(f"expected {len(frames)} titles, got {len(titles)}")
    text = max(10, height // 20)
    bar, gap = 2 * text, max(2, width // 200)
    sheet, draw = _blank(height + bar, len(frames) * (width + gap) - gap)
    for number, (frame, title) in enumerate(zip(frames, titles, strict=True)):
        left = number * (width + gap)
        draw.text((left + width / 2, bar / 2), title, _INK, _font(text), anchor="mm")
        sheet.paste(Image.fromarray(frame), (left, bar))
    return np.array(sheet)


def contact_sheet(rows: Mapping[str, Sequence[Picture]], columns: Sequence[str], cell_width: int = 280) -> Picture:
    """A table of pictures: a titled row per engine (or the ground truth), a labelled column per frame.

    Args:
        rows: Title to the pictures of its row, each `[H, W, 3]`, uint8, RGB, all of one size.
        columns: One label per picture of a row.
        cell_width: Width of every picture on the sheet, in pixels.

    Returns:
        `[H', W', 3]`, uint8, RGB.

    Raises:
        ValueError: There is no picture, their sizes differ, or a row has more or fewer than the columns.
    """
    if ragged := [title for title, pictures in rows.items() if len(pictures) != len(columns)]:
        raise ValueError(f"expected {len(columns)} pictures in every row, not so in {ragged}")
    height, width = _common_size([picture for pictures in rows.values() for picture in pictures])
    cell_height = max(1, round(cell_width * height / width))
    text, gap = max(10, cell_width // 16), max(2, cell_width // 46)
    bar = 2 * text
    sheet, draw = _blank(bar + len(rows) * (cell_height + bar) + gap, gap + len(columns) * (cell_width + gap))
    lefts = [gap + number * (cell_width + gap) for number in range(len(columns))]
    for left, label in zip(lefts, columns, strict=True):
        draw.text((left + cell_width / 2, text), label, _FAINT, _font(text), anchor="mm")
    for number, (title, pictures) in enumerate(rows.items()):
        top = bar + number * (cell_height + bar)
        draw.text((gap, top + bar / 2), title, _INK, _font(text), anchor="lm")
        for left, picture in zip(lefts, pictures, strict=True):
            cell = cv2.resize(picture, (cell_width, cell_height), interpolation=cv2.INTER_AREA)
            sheet.paste(Image.fromarray(cell), (left, top + bar))
    return np.array(sheet)


def write_image(path: Path | str, picture: Picture, *, overwrite: bool = True) -> None:
    """Writes `[H, W, 3]`, uint8, RGB as a PNG; the file is whole or absent.

    Raises:
        InputError: The file exists and may not be replaced, or it cannot be written.
    """
    with atomic_file(path, overwrite=overwrite) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")


def _common_size(pictures: Sequence[Picture]) -> tuple[int, int]:
    sizes = {(picture.shape[0], picture.shape[1]) for picture in pictures}
    if len(sizes) != 1:
        raise ValueError(f"expected pictures of one size, got {sorted(sizes) or 'none'}")
    return sizes.pop()


def _blank(height: int, width: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    sheet = Image.new("RGB", (width, height), _PAPER)
    return sheet, ImageDraw.Draw(sheet)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
