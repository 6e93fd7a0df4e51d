"""Synthetic clips: patterned, deforming objects that move over a landscape, with their exact masks.

They need no file and no licence, come in any size and length, and look enough like film for a network trained
on film to track them: the demo, the tests and the golden traces run on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf, tau

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevos.data.synthetic.difficulty import (
    PLAIN,
    Difficulty,
    harder,
    look_alike,
    moments,
    occluder,
    occluder_column,
    occluder_passes,
)
from mobilevos.data.synthetic.moving_object import (
    MovingObject,
    Silhouette,
    Wave,
    draw_object,
    paint,
    silhouette,
)
from mobilevos.data.synthetic.textures import terrain

__all__ = ["SyntheticClip"]

_TRAVEL = 18
"""Frames that an object takes from its path to beyond the border, or back."""

_NOISE = 2.5
"""Standard deviation of the camera's noise, in grey levels."""

_SHIFTS = 32
"""Rows and columns by which the one field of noise is shifted from frame to frame."""

_OCCLUDERS = 1000
"""What is added to an object's id to draw its occluder by lot."""

_Layer = tuple[int, MovingObject, Silhouette]
"""Label in the mask, and what is painted."""


class SyntheticClip:
    """A clip made from a seed: the same seed and options give the same pixels.

    A frame is computed when asked for, in any order and in constant memory. Objects have the ids 1, 2, ...,
    and the higher id passes in front. Object k is the same however many others there are.

    Args:
        seed: 0 or more.
        length: Number of frames.
        size: Height and width, in pixels, 16 or more.
        objects: Number of objects, 1 to 255.
        appears: Of some objects, the frame before which they do not exist; they come in at a border then.
        absent: Of some objects, frames `(first, stop)`: from `first` to `stop - 1` they are out of the frame.
            They leave through the nearer side in the 18 frames before, and return in the 18 after.
        difficulty: What makes the clip harder to track. The first frame's objects stay where they are.

    Attributes:
        size: As given.
        names: Of the frames: five digits, as in DAVIS.

    Raises:
        ValueError: An argument is out of its range.
    """

    def __init__(
        self,
        seed: int = 0,
        length: int = 60,
        size: tuple[int, int] = (480, 854),
        objects: int = 2,
        *,
        appears: Mapping[int, int] | None = None,
        absent: Mapping[int, tuple[int, int]] | None = None,
        difficulty: Difficulty = PLAIN,
    ) -> None:
        self._appears, self._absent = dict(appears or {}), dict(absent or {})
        _check(length, size, objects, self._appears.keys() | self._absent.keys())
        self.size, self._seed, self._exposure = size, seed, difficulty.exposure
        self.names = tuple(f"{t:05d}" for t in range(length))
        random = np.random.default_rng((seed, 0))
        height, width = size
        start = random.uniform(size=3)
        drawn = [
            harder(_draw_object(seed, object_id, size, start), difficulty)
            for object_id in range(1, objects + difficulty.look_alikes + 1)
        ]
        self._objects, others = drawn[:objects], drawn[objects:]
        self._look_alikes = [look_alike(item, drawn[place % objects]) for place, item in enumerate(others)]
        self._terrain = terrain(random, (height * 3 // 2, width * 3 // 2))
        self._occluders = [
            occluder(
                _draw_object(seed, _OCCLUDERS + object_id, size, start), target, difficulty.occluder, self._terrain
            )
            for object_id, target in enumerate(self._objects if difficulty.occluder else (), start=1)
        ]
        self._pan = [Wave(0, 0.17, random.uniform(0, tau), tau / random.uniform(160, 320)) for _ in range(2)]
        self._zoom = Wave(0.98, 0.06, random.uniform(0, tau), tau / random.uniform(120, 240))
        noise = random.standard_normal((height + _SHIFTS, width + _SHIFTS, 3), np.float32)
        self._noise = np.rint(_NOISE * noise).astype(np.int8)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """Frame `index`, counted from the end if negative; IndexError if there is no such frame."""
        return self.frame(range(len(self))[index])

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (self.frame(t) for t in range(len(self)))

    def frame(self, t: int) -> NDArray[np.uint8]:
        """Frame `t`, `[H, W, 3]`, uint8, RGB."""
        scenes = [self._scene(time) for time in moments(t, self._exposure)]
        frame = scenes[0] if len(scenes) == 1 else np.rint(np.mean(scenes, axis=0)).astype(np.uint8)
        height, width = self.size
        row, column = np.random.default_rng((self._seed, 0, t)).integers(_SHIFTS, size=2)
        noise = self._noise[row : row + height, column : column + width]
        noisy: NDArray[np.uint8] = cv2.add(frame, noise, dtype=cv2.CV_8U)
        return noisy

    def mask(self, t: int) -> NDArray[np.uint8]:
        """Id of the object seen at each pixel of frame `t`, `[H, W]`, uint8; 0 is background."""
        labels = np.zeros(self.size, np.uint8)
        for label, _, shape in self._layers(t):
            covered, taken = shape.overlap(self.size)
            labels[covered][shape.coverage[taken] >= 0.5] = label
        return labels

    def _scene(self, t: float) -> NDArray[np.uint8]:
        """All but the camera's noise."""
        scene = self._background(t)
        for _, item, shape in self._layers(t):
            paint(scene, item, shape)
        return scene

    def _background(self, t: float) -> NDArray[np.uint8]:
        height, width = self.size
        zoom = self._zoom(t)
        column, row = (0.75 + pan(t) - 0.5 * zoom for pan in self._pan)
        view = np.array([[zoom, 0, width * column], [0, zoom, height * row]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        picture: NDArray[np.uint8] = cv2.warpAffine(self._terrain, view, (width, height), flags=flags)
        return picture

    def _layers(self, t: float) -> Iterator[_Layer]:
        """What is seen before the background at frame `t`, from the rearmost to the foremost."""
        for item in self._look_alikes:
            yield 0, item, silhouette(item, item.column(t), item.row(t), t)
        for object_id, item in enumerate(self._objects, start=1):
            if t >= self._appears.get(object_id, -inf):  # an exposure of frame 0 starts before it
                yield object_id, item, silhouette(item, self._column(object_id, item, t), item.row(t), t)
        for object_id, item in enumerate(self._occluders, start=1):
            target = self._objects[object_id - 1]
            for meeting in occluder_passes(t):
                met = self._column(object_id, target, meeting)
                column = occluder_column(meeting, met, item.reach, self.size[1], t)
                yield 0, item, silhouette(item, column, target.row(meeting), t)

    def _column(self, object_id: int, item: MovingObject, t: float) -> float:
        """Column of the object's centre: on its path, or on the way from or to a border."""
        column, width = item.column(t), self.size[1]
        if object_id in self._appears:
            start = self._appears[object_id]
            # In by more than half, so that its first mask shows what it is.
            inner = 0.5 * item.radius.middle
            border = inner if item.column(start) < width / 2 else width - inner
            column += (border - column) * (1 - _smooth_step((t - start) / _TRAVEL))
        if object_id in self._absent:
            first, stop = self._absent[object_id]
            outside = -item.reach if item.column(first) < width / 2 else width + item.reach
            frames_away = max(first - t, t - (stop - 1), 0)
            column += (outside - column) * (1 - _smooth_step(frames_away / _TRAVEL))
        return column


def _check(length: int, size: tuple[int, int], objects: int, named: set[int]) -> None:
    if length < 1 or min(size) < 16 or not 1 <= objects <= 255:
        found = f"{length} frames of {size[1]}x{size[0]} pixels with {objects} objects"
        raise ValueError(f"expected 1 frame or more of 16x16 pixels or more with 1..255 objects, got {found}")
    if unknown := sorted(named - set(range(1, objects + 1))):
        raise ValueError(f"expected object ids 1..{objects}, got {unknown}")


def _draw_object(seed: int, object_id: int, size: tuple[int, int], start: NDArray[np.float64]) -> MovingObject:
    # Additive recurrences keep the places and hues of successive ids apart: Roberts' R2, the golden ratio.
    place = (start[:2] + object_id * np.array([0.7549, 0.5698])) % 1
    hue = 0.45 + 0.6 * ((start[2] + object_id * 0.618) % 1)  # what is left, 0.05..0.45, are the land's colours
    return draw_object(np.random.default_rng((seed, object_id)), size, place, hue)


def _smooth_step(x: float) -> float:
    """0 up to x = 0 and 1 from x = 1, level at both."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)
