"""The scale and zero point of every quantized activation, by name: what calibration or training hands to a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from mobilevos.errors import InputError
from mobilevos.quantization.specification import ACTIVATIONS

__all__ = ["Range", "Ranges", "check_observed", "parse_ranges", "range_of", "ranges_to_json"]


@dataclass(frozen=True)
class Range:
    """How an activation is held in 8 bits: `real = scale * (integer - zero_point)`.

    Attributes:
        scale: Step from one integer to the next, above 0; a value of float32.
        zero_point: The integer of 0, in -128..127.
    """

    scale: float
    zero_point: int

    @property
    def minimum(self) -> float:
        """The smallest value that it holds, at most 0."""
        return (ACTIVATIONS.minimum - self.zero_point) * self.scale

    @property
    def maximum(self) -> float:
        """The largest value that it holds, at least 0."""
        return (ACTIVATIONS.maximum - self.zero_point) * self.scale


Ranges = Mapping[str, Range]
"""By site; see `mobilevos.quantization.sites`."""


def range_of(site: str, ranges: Ranges) -> Range:
    """The range of a site.

    Raises:
        InputError: It has none.
    """
    if site not in ranges:
        raise InputError(
            f"layer {site} has no range",
            expected="ranges that were found for this network",
            remedy="calibrate this checkpoint",
        )
    return ranges[site]


def check_observed(site: str, low: float, high: float) -> None:
    """Checks that what was seen of a site, values from `low` to `high`, gives a range.

    Raises:
        InputError: Nothing but 0 was seen, or a value that is not finite.
    """
    if not (isfinite(low) and isfinite(high)):
        raise InputError(f"layer {site} cannot be quantized", expected="finite values", found=f"{low:g} to {high:g}")
    if low == high == 0:
        raise InputError(
            f"layer {site} cannot be quantized",
            expected="values other than 0",
            found="a range of zero",
            remedy="calibrate on more frames, or keep the layer in float",
        )


def ranges_to_json(ranges: Ranges) -> dict[str, Any]:
    """As it is stored."""
    return {site: asdict(one) for site, one in ranges.items()}


def parse_ranges(stored: Any) -> dict[str, Range]:
    """Reads what `ranges_to_json` gave.

    Raises:
        InputError: It is something else, or a scale or zero point is out of its bounds; the layer is named.
    """
    if not isinstance(stored, dict):
        raise InputError("the ranges cannot be used", expected="a table by layer", found=type(stored).__name__)
    return {str(site): _parse(str(site), one) for site, one in stored.items()}


def _parse(site: str, stored: Any) -> Range:
    refusal = f"the range of layer {site[:100]} cannot be used"
    if not isinstance(stored, dict) or set(stored) != {"scale", "zero_point"}:
        raise InputError(refusal, expected="a scale and a zero_point", found=str(stored)[:80])
    scale, zero_point = stored["scale"], stored["zero_point"]
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not (isfinite(scale) and scale > 0):
        raise InputError(refusal, expected="a scale above 0", found=str(scale)[:80])
    low, high = ACTIVATIONS.minimum, ACTIVATIONS.maximum
    if isinstance(zero_point, bool) or not isinstance(zero_point, int) or not low <= zero_point <= high:
        raise InputError(refusal, expected=f"a zero_point in {low}..{high}", found=str(zero_point)[:80])
    return Range(float(scale), zero_point)
