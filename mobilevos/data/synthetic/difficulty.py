"""What makes a synthetic clip hard to track, one property at a time.

The properties are among the attributes by which DAVIS sorts its sequences (Perazzi et al., CVPR 2016): fast motion,
motion blur, scale variation, occlusion, and background clutter, here by objects that look alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil, pi

import numpy as np
from numpy.typing import NDArray

from mobilevos.data.synthetic.moving_object import MovingObject, Wave

__all__ = ["PLAIN", "Difficulty", "harder", "look_alike", "moments", "occluder", "occluder_column", "occluder_passes"]

SWELL = 24
"""Frames in which an object grows or shrinks; in as many it comes back."""

PASS_EVERY = 10
"""Frames after which the next occluders set out. They need as many to reach their objects."""

_MOMENTS = 6
"""Of an exposure, that a blurred frame is the mean of."""


@dataclass(frozen=True)
class Difficulty:
    """Properties of a clip. The first frame's objects stay where they are.

    Attributes:
        speed: Factor on the speed at which objects move and turn, above 0.
        exposure: Frames of motion that one frame blurs together, around its time; 0 for none.
        scale: Factor by which objects grow, or shrink if it is below 1, in 24 frames; 1 leaves them as they are.
        occluder: Radius of what passes in front of each object every 10 frames, in radii of the object; 0 for none.
            It looks like a piece of the ground, and is background in masks.
        look_alikes: Further objects behind the others, each in the skin of one of them; background in masks.

    Raises:
        ValueError: A number is out of its range.
    """

    speed: float = 1.0
    exposure: float = 0.0
    scale: float = 1.0
    occluder: float = 0.0
    look_alikes: int = 0

    def __post_init__(self) -> None:
        if min(self.speed, self.scale) <= 0 or min(self.exposure, self.occluder, self.look_alikes) < 0:
            raise ValueError(f"expected speed and scale above 0 and nothing negative, got {self}")


PLAIN = Difficulty()
"""No difficulty."""


def harder(item: MovingObject, difficulty: Difficulty) -> MovingObject:
    """The object at another speed, and with its radius going to `scale` times what it is at t = 0, and back."""
    column, row, turn = (
        replace(wave, speed=wave.speed * difficulty.speed) for wave in (item.column, item.row, item.turn)
    )
    radius = item.radius
    if difficulty.scale != 1:
        first = item.radius(0)
        last = first * difficulty.scale
        radius = Wave((first + last) / 2, abs(last - first) / 2, -pi / 2 if last > first else pi / 2, pi / SWELL)
    return replace(item, column=column, row=row, turn=turn, radius=radius)


def look_alike(item: MovingObject, model: MovingObject) -> MovingObject:
    """The object with the skin of another; its shape and path stay its own."""
    return replace(item, skin=model.skin)


def occluder(item: MovingObject, target: MovingObject, size: float, ground: NDArray[np.uint8]) -> MovingObject:
    """The object as a piece of the ground, with a steady radius of `size` mean radii of `target`.

    In a skin like those of the tracked objects it would be taken for one of them: another difficulty.

    Args:
        item: Gives the outline.
        target: In front of which it passes.
        size: Ratio of the radii, above 0.
        ground: The landscape `[H, W, 3]`, uint8, RGB.
    """
    radius = size * target.radius.middle
    side = ceil(2.4 * radius)
    return replace(item, radius=Wave(radius, 0, 0, 0), skin=np.ascontiguousarray(ground[:side, :side]))


def occluder_passes(t: float) -> Iterator[float]:
    """Frames at which the occluders that may be seen at frame `t` meet their objects, the earlier first."""
    latest = int(t // PASS_EVERY)
    for start in range(max(latest - 1, 0), latest + 1):  # the ones before have left the frame
        yield (start + 1) * PASS_EVERY


def occluder_column(meeting: float, column: float, reach: float, width: int, t: float) -> float:
    """Column of an occluder at frame `t`: it comes in at the farther side at a steady speed.

    It sets out right outside the frame; as it comes from the farther side, it has left the frame by the time that
    is as long after the meeting as it set out before.

    Args:
        meeting: Frame at which it is at `column`.
        column: Of the object then, in pixels.
        reach: Of the occluder, in pixels.
        width: Of the clip, in pixels.
        t: The frame.
    """
    outside = -reach if column >= width / 2 else width + reach
    return outside + (column - outside) * (1 + (t - meeting) / PASS_EVERY)


def moments(t: float, exposure: float) -> list[float]:
    """Times within the exposure around frame `t` that a frame is the mean of; `t` alone if there is no exposure."""
    if not exposure:
        return [t]
    return [t + exposure * ((place + 0.5) / _MOMENTS - 0.5) for place in range(_MOMENTS)]
