"""What an engine does on the golden clip, step by step: enough to find the first step at which another loop differs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mobilevos.engines.engine import Array
from mobilevos.golden.clip import GoldenClip

__all__ = ["Call", "GoldenTrace", "Step", "Write"]


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a program.

    Attributes:
        component: Of the contract.
        group: Whose memory it reads, in `read_memory` and `segment`; objects that were first given at the same frame
            are a group, counted from 0. None in the others, which know no memory.
        ids: The objects along its object dimension, in order; none in `encode_query`. A program that takes fewer
            objects is called several times for what is one call here.
        sums: Sums over the inputs that the loop itself computes, in float64: over `image` of `encode_query` and
            `segment`, and for each object over `masks` and `others` of `encode_memory`.
        tensors: Of its outputs what `mobilevos.golden.recording.reduced` keeps, float32.
    """

    component: str
    group: int | None
    ids: tuple[int, ...]
    sums: dict[str, tuple[float, ...]]
    tensors: dict[str, Array]


@dataclass(frozen=True)
class Write:
    """A frame that is memorised in one group's bank.

    Attributes:
        group: Whose bank.
        slot: Frame of the bank, from 0, that is overwritten.
        ids: The group's objects, in the order of the bank's values.
    """

    group: int
    slot: int
    ids: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Step:
    """One frame.

    Attributes:
        calls: In order.
        writes: After the calls, in order; none if the frame is not memorised.
        labels: The masks that come out: object ids `[H, W]`, uint8, 0 for background.
    """

    calls: tuple[Call, ...]
    writes: tuple[Write, ...]
    labels: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class GoldenTrace:
    """A whole run, in which the engine fed on its own masks.

    Attributes:
        clip: That was tracked.
        engine: Name of the engine, e.g. `eager-fp32`.
        steps: One for each frame of the clip.
    """

    clip: GoldenClip
    engine: str
    steps: tuple[Step, ...]
