"""How far a median of step times can be trusted: resampled in blocks, as a busy machine stays busy for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Interval", "median_interval", "resampled_medians"]

_BLOCK = 16
"""Steps that are drawn together."""

_RESAMPLES = 1000
_LEVEL = 95.0


@dataclass(frozen=True)
class Interval:
    """An estimate and where its true value lies with 95 % confidence."""

    value: float
    low: float
    high: float


def median_interval(values: Sequence[float]) -> Interval:
    """The median of at least one value in the order of measurement, with its interval."""
    medians = resampled_medians(values)
    tail = (100 - _LEVEL) / 2
    low, high = np.percentile(medians, (tail, 100 - tail)).tolist()
    return Interval(float(np.median(values)), low, high)


def resampled_medians(values: Sequence[float], seed: int = 0) -> NDArray[np.float64]:
    """Medians of 1,000 circular-block bootstrap samples (Politis and Romano, 1992), `[1000]`.

    Args:
        values: At least one, in the order of measurement.
        seed: Of the draw.
    """
    array = np.asarray(values, np.float64)
    block = min(_BLOCK, max(1, len(array) // 4))
    count = -(-len(array) // block)
    starts = np.random.default_rng(seed).integers(len(array), size=(_RESAMPLES, count))
    places = (starts[:, :, None] + np.arange(block)).reshape(_RESAMPLES, -1)[:, : len(array)] % len(array)
    medians: NDArray[np.float64] = np.median(array[places], axis=1)
    return medians
