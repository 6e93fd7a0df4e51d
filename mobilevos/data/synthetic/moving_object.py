"""One object of a synthetic clip: a closed curve that swims, turns and swells, in a skin that goes along."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, cos, floor, sin, tau

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevos.data.synthetic.textures import LIGHT, skin

__all__ = ["MovingObject", "Silhouette", "Wave", "draw_object", "paint", "silhouette"]

_HARMONICS = np.arange(2, 7)
_AMPLITUDES = np.array([0.2, 0.1, 0.06, 0.04, 0.03])  # of the harmonics, at most, in radii
_ANGLES = np.linspace(0, tau, 1025)  # at which an outline is evaluated; the nearest one is taken
_SMALLEST = 1e-3  # radius of an outline, in pixels: less would not be seen, and pixels' places are divided by it


@dataclass(frozen=True)
class Wave:
    """A value that swings: `middle + swing * sin(phase + speed * t)`, t in frames."""

    middle: float
    swing: float
    phase: float
    speed: float

    def __call__(self, t: float) -> float:
        """The value at frame `t`."""
        return self.middle + self.swing * sin(self.phase + self.speed * t)


@dataclass(frozen=True)
class MovingObject:
    """How an object moves and what it looks like.

    The outline is `radius * (1 + sum_k amplitudes[k] * cos(k * angle + phases[k] + speeds[k] * t))`.

    Attributes:
        column: Column of the centre, in pixels.
        row: Row of the centre, in pixels.
        turn: Angle by which the object is turned, in radians.
        radius: Mean radius, in pixels.
        amplitudes: Of the harmonics 2 to 6 of the outline, in radii.
        phases: Of the harmonics, in radians.
        speeds: Of the harmonics, in radians per frame.
        skin: `[S, S, 3]`, uint8, RGB, spanned over the object.
    """

    column: Wave
    row: Wave
    turn: Wave
    radius: Wave
    amplitudes: NDArray[np.float64]
    phases: NDArray[np.float64]
    speeds: NDArray[np.float64]
    skin: NDArray[np.uint8]

    @property
    def reach(self) -> float:
        """Distance from the centre that the object never exceeds, in pixels."""
        return (self.radius.middle + self.radius.swing) * (1 + float(self.amplitudes.sum()))


@dataclass(frozen=True)
class Silhouette:
    """An object at one moment, on a patch of pixels that holds it and its shadow.

    Attributes:
        top: Row in the frame of the patch's first pixel; it may lie outside.
        left: Column of it.
        coverage: `[h, w]`, float32, 0..1: soft across the outline, 0.5 on it.
        column: `[h, w]`, float32: place on the object along the frame's columns, -1..1 inside.
        row: Likewise along the rows.
        turn: Angle by which the object is turned, in radians.
    """

    top: int
    left: int
    coverage: NDArray[np.float32]
    column: NDArray[np.float32]
    row: NDArray[np.float32]
    turn: float

    def overlap(self, size: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """The part of a frame of `size` that the patch covers, and the part of the patch that it takes."""
        covered, taken = [], []
        for start, extent, limit in zip((self.top, self.left), self.coverage.shape, size, strict=True):
            first = min(max(start, 0), limit)
            last = max(min(start + extent, limit), first)
            covered.append(slice(first, last))
            taken.append(slice(first - start, last - start))
        return (covered[0], covered[1]), (taken[0], taken[1])


def draw_object(
    random: np.random.Generator, size: tuple[int, int], place: NDArray[np.float64], hue: float
) -> MovingObject:
    """Draws the shape, skin and motion of an object by lot.

    Args:
        random: Source of all but the place and the hue.
        size: Height and width of the clip, in pixels.
        place: Where it is at t = 0: column and row, 0..1 from one end of its path to the other.
        hue: 0..1 around the colour circle.

    Returns:
        An object whose path swings about the middle of the frame and stays inside.
    """
    height, width = size
    radius = min(size) * random.uniform(0.14, 0.19)
    phases = np.arcsin(0.9 * (2 * place - 1))
    phases = np.where(random.random(2) < 0.5, phases, tau / 2 - phases)  # at that place on its way out, or back
    speeds = tau / random.uniform((130, 110), (210, 190))
    return MovingObject(
        column=Wave(0.5 * width, 0.34 * width, phases[0], speeds[0]),
        row=Wave(0.5 * height, 0.28 * height, phases[1], speeds[1]),
        turn=Wave(0, 0.8, random.uniform(0, tau), tau / random.uniform(70, 140)),
        radius=Wave(radius, 0.14 * radius, random.uniform(0, tau), tau / random.uniform(60, 120)),
        amplitudes=_AMPLITUDES * random.uniform(0.4, 1, len(_HARMONICS)),
        phases=random.uniform(0, tau, len(_HARMONICS)),
        speeds=random.uniform(-0.08, 0.08, len(_HARMONICS)),
        skin=skin(random, hue, max(16, round(2.4 * radius))),
    )


def silhouette(item: MovingObject, column: float, row: float, t: float) -> Silhouette:
    """The object at frame `t` with its centre at this column and row, in pixels."""
    turn = item.turn(t)
    waves = np.cos(np.outer(_ANGLES - turn, _HARMONICS) + item.phases + item.speeds * t) @ item.amplitudes
    outline = np.maximum(item.radius(t) * (1 + waves), _SMALLEST).astype(np.float32)
    half = ceil(float(outline.max()) + 0.3 * item.radius.middle) + 2  # with room for the shadow
    top, left = floor(row) - half, floor(column) - half
    steps = np.arange(2 * half + 2, dtype=np.float32)
    x, y = (np.ascontiguousarray(grid) for grid in np.meshgrid(steps + (left - column), steps + (top - row)))
    distance, angle = cv2.cartToPolar(x.astype(np.float32), y.astype(np.float32))
    radius = outline[np.rint(angle * (1024 / tau)).astype(np.int32)]
    coverage = np.clip(radius - distance + 0.5, 0, 1)
    return Silhouette(top, left, coverage, x / radius, y / radius, turn)


def paint(frame: NDArray[np.uint8], item: MovingObject, shape: Silhouette) -> None:
    """Draws the object into `frame`, `[H, W, 3]`, uint8, RGB, with light from one side and a soft shadow."""
    covered, taken = shape.overlap((frame.shape[0], frame.shape[1]))
    if not shape.coverage[taken].size:
        return
    column, row = (np.ascontiguousarray(grid[taken]) for grid in (shape.column, shape.row))
    # The skin is laid out over the unit disk, so it turns and deforms with the outline.
    half = (len(item.skin) - 1) / 2
    cosine, sine = half * cos(shape.turn), half * sin(shape.turn)
    u, v = half + cosine * column + sine * row, half + cosine * row - sine * column
    colour = cv2.remap(item.skin, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    bulge = np.sqrt(np.clip(1 - column * column - row * row, 0, 1))  # lit as a ball would be
    light = 0.45 + 0.6 * np.clip(LIGHT[0] * column + LIGHT[1] * row + LIGHT[2] * bulge, 0, 1)
    length = 0.22 * item.radius.middle
    away = np.array([[1, 0, -length * LIGHT[0]], [0, 1, -length * LIGHT[1]]])
    shadow = cv2.warpAffine(shape.coverage, away, shape.coverage.shape[::-1])
    shadow = cv2.blur(shadow, (1 + int(length), 1 + int(length)))[taken]
    ground = frame[covered] * (1 - 0.5 * shadow[..., None])
    coverage = shape.coverage[taken][..., None]
    mixed = ground + coverage * (colour * light[..., None] - ground)
    frame[covered] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
