"""How far an exported component's numbers are from the reference's, and how far they may be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import inf, isfinite, log10, sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["GATES", "SUMS_IN_HALF_DB", "Difference", "Gate", "compare", "gate_of"]


@dataclass(frozen=True)
class Difference:
    """An output against its reference.

    Attributes:
        max_abs: Largest absolute difference.
        relative: The same, as a fraction of the reference's range (largest minus smallest value).
        sqnr_db: Signal to noise ratio in decibels: power of the reference over power of the difference; infinite
            when they are equal, minus infinite when the reference is zero and the other is not.
        psnr_db: Peak signal to noise ratio in decibels: the reference's range squared over the mean power of the
            difference; infinite when they are equal.
        cosine: Of the angle between both as vectors, in -1..1; 1 when they are equal, 0 when only one is zero.
    """

    max_abs: float
    relative: float
    sqnr_db: float
    psnr_db: float
    cosine: float

    def to_json(self) -> dict[str, Any]:
        """As the manifest holds it; what is not finite is null, since JSON has no word for it."""
        return {name: value if isfinite(value) else None for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Gate:
    """What a component must keep of the reference.

    Attributes:
        measure: `relative`, of which `limit` is the largest allowed, or `sqnr_db`, of which it is the smallest.
        limit: The last value that passes.
    """

    measure: Literal["relative", "sqnr_db"]
    limit: float

    def passes(self, difference: Difference) -> bool:
        """Whether the difference is small enough."""
        if self.measure == "relative":
            return difference.relative <= self.limit
        return difference.sqnr_db >= self.limit

    def worst(self, differences: Iterable[Difference]) -> Difference:
        """The one that is nearest to failing, or fails by most."""
        if self.measure == "relative":
            return max(differences, key=lambda difference: difference.relative)
        return min(differences, key=lambda difference: difference.sqnr_db)

    @property
    def wanted(self) -> str:
        """The gate in words."""
        if self.measure == "relative":
            return f"a difference of at most {self.limit:.0e} of its range"
        return f"a signal to noise ratio of at least {self.limit:.0f} dB"

    def value(self, difference: Difference) -> str:
        """What the difference has of what the gate looks at, in words."""
        return f"{difference.relative:.1e}" if self.measure == "relative" else f"{difference.sqnr_db:.1f} dB"


GATES = {
    "fp32": Gate("relative", 5e-5),  # what float32 arithmetic in another order explains
    "fp16": Gate("sqnr_db", 50),  # 11 bits of mantissa are 68 dB at each rounding
    # Beside the int8 reference, from which a runtime may differ by a step where a sum lies half-way between two.
    # Through the 50 layers of the trunk that grows to 24 dB; a wrong scale costs far more.
    "int8": Gate("sqnr_db", 18),
}
"""Of each precision."""

SUMS_IN_HALF_DB = 35
"""What XNNPACK keeps in float16 where the processor also adds in float16, as phones' do, with room for other networks.

Such sums round at each term: the encoder keeps 43 dB where sums in float32 leave it 57, and at 480x864 the memory read,
which adds up thousands of positions, 39. An emulation of the encoder's in PyTorch keeps as little as it
(`tests/export/test_half_sums.py`): it is the arithmetic that loses, and not the conversion."""


def gate_of(precision: str, least_sqnr_db: float | None = None) -> Gate:
    """What a component must keep.

    Args:
        precision: Of the artefacts.
        least_sqnr_db: What its exporter asked for in the place of the precision's own ratio.
    """
    return GATES[precision] if least_sqnr_db is None else Gate("sqnr_db", least_sqnr_db)


def compare(reference: NDArray[np.float32], actual: NDArray[np.float32]) -> Difference:
    """The difference of two arrays of one shape, computed in float64; infinite if either is not finite anywhere."""
    if reference.shape != actual.shape:
        raise ValueError(f"shapes {reference.shape} and {actual.shape} differ")
    if not (np.isfinite(reference).all() and np.isfinite(actual).all()):
        return Difference(inf, inf, -inf, -inf, 0.0)
    signal, noise = reference.astype(np.float64), actual.astype(np.float64) - reference
    max_abs = float(np.abs(noise).max())
    spread = float(np.ptp(signal)) or 1.0
    signal_power, noise_power = float(np.square(signal).sum()), float(np.square(noise).sum())
    if noise_power == 0:
        return Difference(max_abs, max_abs / spread, inf, inf, 1.0)
    actual_power = float(np.square(actual, dtype=np.float64).sum())
    product = float((signal * actual).sum())
    return Difference(
        max_abs,
        max_abs / spread,
        sqnr_db=10 * log10(signal_power / noise_power) if signal_power else -inf,
        psnr_db=10 * log10(spread**2 * noise.size / noise_power),
        cosine=product / sqrt(signal_power * actual_power) if signal_power and actual_power else 0.0,
    )
