"""Cut-out objects, and laying them over the frames of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevos.data.clips.colour import colour_matrices, recolour
from mobilevos.data.clips.configuration import ColourConfig, PasteConfig
from mobilevos.data.clips.geometry import Sampling, motion_matrices, random_poses, window_matrix
from mobilevos.data.clips.thin_plate import bending_fields

__all__ = ["Cutout", "cut_out", "paste", "random_track", "recoloured"]


@dataclass(frozen=True)
class Cutout:
    """One object taken out of its image.

    Attributes:
        pixels: `[h, w, 4]` uint8: RGB and opacity; the opacity is 0 along the rim.
        extent: Longest side of the object, in pixels.
    """

    pixels: NDArray[np.uint8]
    extent: int


def cut_out(image: NDArray[np.uint8], labels: NDArray[np.uint8], object_id: int) -> Cutout:
    """Takes object `object_id` out of `image [H, W, 3]`; it must be present in `labels [H, W]`."""
    mask = (labels == object_id).astype(np.uint8)
    x, y, width, height = cv2.boundingRect(mask)
    box = np.s_[y : y + height, x : x + width]
    opacity = cv2.copyMakeBorder(mask[box] * 255, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0,))
    # Behind the rim's zero opacity the colours go on: interpolation draws no dark outline.
    colours = cv2.copyMakeBorder(image[box], 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    return Cutout(np.dstack([colours, opacity]), max(width, height))


def recoloured(rng: np.random.Generator, cutout: Cutout, config: ColourConfig) -> Cutout:
    """The same object in slightly other colours."""
    colours = recolour(np.ascontiguousarray(cutout.pixels[..., :3]), colour_matrices(rng, 1, config)[0])
    return Cutout(np.dstack([colours, cutout.pixels[..., 3]]), cutout.extent)


def random_track(
    rng: np.random.Generator,
    cutout: Cutout,
    size: float,
    frames: int,
    crop: int,
    config: PasteConfig,
    bend: float,
) -> list[Sampling]:
    """A random place in the first frame, and motion from there.

    Args:
        rng: Draws everything.
        cutout: What is going to move.
        size: Longest side of the object in the first frame, in pixels of the crop.
        frames: Of the clip.
        crop: Side of the frames, in pixels.
        config: How cut-outs move.
        bend: Thin-plate displacement per frame, as a fraction of the crop's side.
    """
    place = rng.uniform(0, crop - 1, 2)
    pivot = (float(place[0]), float(place[1]))
    height, width = cutout.pixels.shape[:2]
    side = crop * cutout.extent / size
    centred = window_matrix(((width - 1) / 2, (height - 1) / 2), (side, side), crop, flip=rng.random() < 0.5)
    to_middle = np.eye(3)
    to_middle[:2, 2] = (crop - 1) / 2 - place
    motions = motion_matrices(random_poses(rng, frames, config.motion), pivot, crop)
    fields = bending_fields(rng, frames, crop, bend)
    return [
        Sampling(centred @ to_middle @ np.linalg.inv(motion), crop, field)
        for motion, field in zip(motions, fields, strict=True)
    ]


def paste(
    frames: Sequence[NDArray[np.uint8]],
    labels: Sequence[NDArray[np.uint8]],
    cutout: Cutout,
    track: Sequence[Sampling],
    object_id: int,
    *,
    behind: bool,
) -> None:
    """Lays a cut-out over the frames, in place.

    Args:
        frames: T of `[H, W, 3]`.
        labels: T of `[H, W]`; takes `object_id` where the cut-out is more than half opaque.
        cutout: What is laid.
        track: Where, per frame.
        object_id: Its id; 0 makes it background.
        behind: Keep what has a label already in front of it.
    """
    for frame, label, sampling in zip(frames, labels, track, strict=True):
        layer = sampling.take(cutout.pixels, fill=(0, 0, 0, 0))
        opacity = layer[..., 3]
        if behind:
            opacity = np.where(label == 0, opacity, 0).astype(np.uint8)
        x, y, width, height = cv2.boundingRect(opacity)
        box = np.s_[y : y + height, x : x + width]
        if width == 0:
            continue
        weight = opacity[box].astype(np.float32) / 255
        above = np.ascontiguousarray(layer[box][..., :3])
        frame[box] = cv2.blendLinear(above, frame[box], weight, 1 - weight)
        label[box][opacity[box] > 127] = object_id
