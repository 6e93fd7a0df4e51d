"""Several engines on one clip in one loop, one step each in turn: what disturbs one disturbs all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from time import perf_counter_ns

import numpy as np
from numpy.typing import NDArray

from mobilevos.engines import Array, Engine, Query, TimedEngine
from mobilevos.tracking import Tracker

__all__ = ["Contestant", "SingleComponents", "track_in_turn"]


class SingleComponents(TimedEngine):
    """A timed engine that never uses its fused program: each component of a step is run and timed alone."""

    def segment(self, image: Array, memory_keys: Array, memory_values: Array) -> tuple[Array, Query]:
        """See `Engine.segment`, whose plain form this is."""
        return Engine.segment(self, image, memory_keys, memory_values)


class Contestant:
    """An engine in a tracker of its own, with a stopwatch on both.

    Args:
        engine: Times its components.

    Attributes:
        engine: As given.
        step_ms: Milliseconds of each whole step so far: padding, engine, soft aggregation, labels.
    """

    def __init__(self, engine: TimedEngine) -> None:
        self.engine = engine
        self.step_ms: list[float] = []
        self._tracker = Tracker(engine)

    @property
    def name(self) -> str:
        """The engine's."""
        return self.engine.info.name

    def step(self, frame: NDArray[np.uint8], mask: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
        """Segments the next frame `[H, W, 3]` and gives its labels `[H, W]`."""
        start = perf_counter_ns()
        labels = self._tracker.step(frame, mask).labels
        self.step_ms.append((perf_counter_ns() - start) / 1e6)
        return labels.astype(np.uint8, copy=False)


def track_in_turn(
    contestants: Sequence[Contestant], frames: Iterable[NDArray[np.uint8]], first_mask: NDArray[np.uint8]
) -> Iterator[tuple[NDArray[np.uint8], list[NDArray[np.uint8]]]]:
    """Lets every contestant do one step on a frame before any does the next.

    Args:
        contestants: Fresh ones, in the order of their turns.
        frames: Each `[H, W, 3]`, uint8, RGB. They are made outside the measured time.
        first_mask: Object ids of the first frame, `[H, W]`, uint8.

    Yields:
        Each frame and every contestant's labels of it, `[H, W]`, uint8.
    """
    for index, frame in enumerate(frames):
        mask = first_mask if index == 0 else None
        yield frame, [contestant.step(frame, mask) for contestant in contestants]
