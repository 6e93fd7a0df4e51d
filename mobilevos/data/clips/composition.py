"""From source frames with labels to a training clip: crop, move, paste, choose objects, recolour."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevos.data.clips.colour import colour_matrices, motion_blur, recolour
from mobilevos.data.clips.configuration import ClipConfig
from mobilevos.data.clips.cutout import Cutout, cut_out, paste, random_track, recoloured
from mobilevos.data.clips.geometry import Matrix, Sampling, motion_matrices, random_poses, window_matrix
from mobilevos.data.clips.reading import LabelledImage
from mobilevos.data.clips.sample import TrainingClip
from mobilevos.data.clips.thin_plate import bending_fields

__all__ = ["compose"]

DONOR_ID = 255
"""Id of the donor's object until the tracked ids are given out; where sources have their void."""


WINDOW_TRIES = 6
"""Windows drawn before one is taken that loses the object in some frame."""


def compose(
    rng: np.random.Generator,
    sources: Sequence[LabelledImage],
    donor: Callable[[], LabelledImage],
    config: ClipConfig,
    name: str,
) -> TrainingClip | None:
    """Makes one clip.

    Args:
        rng: Draws everything.
        sources: One image with labels per frame; a still image is repeated.
        donor: Reads another image with labels; called only when an object is to be pasted.
        config: All ranges.
        name: Of the clip.

    Returns:
        The clip, or None if no object shows enough pixels in its first frame: draw again.
    """
    if not sources[0][1].any():
        return None
    track = _base_track(rng, [label for _, label in sources], config)
    fill = tuple(float(v) for v in cv2.mean(sources[0][0])[:3])
    frames = [s.take(image, fill=fill) for s, (image, _) in zip(track, sources, strict=True)]
    labels = [s.take(label, nearest=True) for s, (_, label) in zip(track, sources, strict=True)]
    _paste_objects(rng, frames, labels, donor, config)
    chosen = _choose_objects(rng, labels[0], config)
    if not len(chosen):
        return None
    table = np.zeros(256, np.uint8)
    table[chosen] = np.arange(1, len(chosen) + 1)
    colours = colour_matrices(rng, config.frames, config.colour)
    frames = [
        motion_blur(rng, recolour(frame, colour), config.blur) for frame, colour in zip(frames, colours, strict=True)
    ]
    return TrainingClip(
        frames=np.array([cv2.split(frame) for frame in frames]),
        labels=table[np.stack(labels)],
        valid=np.arange(config.max_objects) < len(chosen),
        name=name,
    )


def _base_track(rng: np.random.Generator, labels: Sequence[NDArray[np.uint8]], config: ClipConfig) -> list[Sampling]:
    """One window for the whole clip, with a pixel of some object in it, and the motion from there."""
    window = _object_window(rng, labels, config)
    middle = (config.crop - 1) / 2
    motions = motion_matrices(random_poses(rng, config.frames, config.motion), (middle, middle), config.crop)
    fields = bending_fields(rng, config.frames, config.crop, config.bend)
    return [
        Sampling(window @ np.linalg.inv(motion), config.crop, field)
        for motion, field in zip(motions, fields, strict=True)
    ]


def _object_window(rng: np.random.Generator, labels: Sequence[NDArray[np.uint8]], config: ClipConfig) -> Matrix:
    """Of a few windows about the first frame's objects, the first that shows an object in every frame."""
    for _ in range(WINDOW_TRIES):
        left, top, width, height = _random_window(rng, labels[0], config)
        box = np.s_[round(top) : round(top + height), round(left) : round(left + width)]
        if all(label[box].any() for label in labels):
            break
    centre = (left + (width - 1) / 2, top + (height - 1) / 2)
    return window_matrix(centre, (width, height), config.crop, flip=rng.random() < config.flip_probability)


def _random_window(
    rng: np.random.Generator, labels: NDArray[np.uint8], config: ClipConfig
) -> tuple[float, float, float, float]:
    """Left, top, width and height in source pixels, near a random pixel of a random object of `labels`."""
    size = np.array(labels.shape[::-1], float)
    side = size.min() * rng.uniform(*config.window)
    stretch = config.aspect ** (rng.uniform(-1, 1) / 2)
    extent = np.minimum(side * np.array([1 / stretch, stretch]), size)
    inside = np.flatnonzero(labels == rng.choice(_object_ids(labels)))
    y, x = divmod(int(rng.choice(inside)), labels.shape[1])
    corner = np.clip(np.array([x, y]) - rng.uniform(0.1, 0.9, 2) * extent, 0, size - extent)
    return corner[0], corner[1], extent[0], extent[1]


def _paste_objects(
    rng: np.random.Generator,
    frames: Sequence[NDArray[np.uint8]],
    labels: Sequence[NDArray[np.uint8]],
    donor: Callable[[], LabelledImage],
    config: ClipConfig,
) -> None:
    """Lays a look-alike and a donor's object over the cropped frames, each with its probability."""
    ranges = config.paste
    pasted: list[tuple[Cutout, float, int]] = []
    if rng.random() < ranges.lookalike_probability and labels[0].any():
        copy = _random_cutout(rng, frames[0], labels[0])
        pasted.append((copy, copy.extent * rng.uniform(*ranges.lookalike_scale), 0))
    if rng.random() < ranges.donor_probability:
        image, donor_labels = donor()
        if donor_labels.any():
            other = _random_cutout(rng, image, donor_labels)
            pasted.append((other, config.crop * rng.uniform(*ranges.size), DONOR_ID))
    for cutout, size, object_id in pasted:
        track = random_track(rng, cutout, size, config.frames, config.crop, ranges, config.bend)
        behind = rng.random() < ranges.behind_probability
        paste(frames, labels, recoloured(rng, cutout, ranges.colour), track, object_id, behind=behind)


def _random_cutout(rng: np.random.Generator, image: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Cutout:
    return cut_out(image, labels, int(rng.choice(_object_ids(labels))))


def _object_ids(labels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Ids present, ascending."""
    return np.flatnonzero(_pixels_by_id(labels))


def _pixels_by_id(labels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pixels of each id, `[256]`, none counted for background (np.unique is slower: it sorts)."""
    counts: NDArray[np.float32] = cv2.calcHist([labels], [0], None, [256], [0, 256]).ravel()
    counts[0] = 0
    return counts


def _choose_objects(rng: np.random.Generator, first: NDArray[np.uint8], config: ClipConfig) -> NDArray[np.int64]:
    """Ids to track, in random order: between one and max_objects of those that show in the first frame."""
    candidates = rng.permutation(np.flatnonzero(_pixels_by_id(first) >= config.min_pixels))
    most = min(config.max_objects, len(candidates))
    return candidates[: int(rng.integers(1, most + 1))] if most else candidates
