"""How far an exported component's numbers are from the reference's."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import inf, isfinite, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FP32_GATE", "Difference", "compare"]

FP32_GATE = 5e-5
"""Largest difference that float32 arithmetic in another order explains, as a fraction of the reference's range."""


@dataclass(frozen=True)
class Difference:
    """An output against its reference.

    Attributes:
        max_abs: Largest absolute difference.
        relative: The same, as a fraction of the reference's range (largest minus smallest value).
        sqnr_db: Signal to noise ratio in decibels: power of the reference over power of the difference; infinite
            when they are equal, minus infinite when the reference is zero and the other is not.
    """

    max_abs: float
    relative: float
    sqnr_db: float

    def to_json(self) -> dict[str, Any]:
        """As the manifest holds it; a ratio that is not finite is null, since JSON has no word for it."""
        return asdict(self) | {"sqnr_db": self.sqnr_db if isfinite(self.sqnr_db) else None}


def compare(reference: NDArray[np.float32], actual: NDArray[np.float32]) -> Difference:
    """The difference of two arrays of one shape, computed in float64; infinite if either is not finite anywhere."""
    if reference.shape != actual.shape:
        raise ValueError(f"shapes {reference.shape} and {actual.shape} differ")
    if not (np.isfinite(reference).all() and np.isfinite(actual).all()):
        return Difference(inf, inf, -inf)
    signal, noise = reference.astype(np.float64), actual.astype(np.float64) - reference
    max_abs = float(np.abs(noise).max())
    spread = float(np.ptp(signal)) or 1.0
    noise_power, signal_power = float(np.square(noise).sum()), float(np.square(signal).sum())
    if noise_power == 0:
        return Difference(max_abs, max_abs / spread, inf)
    return Difference(max_abs, max_abs / spread, 10 * log10(signal_power / noise_power) if signal_power else -inf)
