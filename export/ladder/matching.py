"""Telling by numbers which tensor of one graph is which of another, whatever either calls it and however it lies.

Converters rename tensors, fuse operators and move the channels, so neither names nor shapes tell. Real activations
do: two tensors of one network that hold the same numbers to within rounding are the same tensor, or a view of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from export.ladder.trace import Trace
from export.parity import Difference, Gate, compare
from mobilevos.engines.engine import Array

__all__ = ["counterparts", "nearest_difference"]


def counterparts(reference: Trace, subject: Trace, gate: Gate) -> dict[str, frozenset[str]]:
    """Which steps of the reference each step of another graph has the value of.

    Args:
        reference: What is right.
        subject: Another graph on the same inputs.
        gate: How much may lie between two values that are the same.

    Returns:
        For each step of the subject, by name, the names of the reference's; none where it differs from all.
    """
    known = [(step, _moments(step.value)) for step in reference.steps]
    table = {}
    for step in subject.steps:
        own = _moments(step.value)
        table[step.name] = frozenset(
            other.name
            for other, moments in known
            if _may_agree(moments, own, gate) and _agree(other.value, step.value, gate)
        )
    return table


def nearest_difference(reference: Array, actual: Array) -> Difference | None:
    """The difference of two tensors in the layout in which they are nearest; None if their sizes differ.

    Args:
        reference: Of any shape.
        actual: Of any shape: the same values in C order, or with the channels moved to the end or back.
    """
    if reference.size != actual.size:
        return None
    flat = reference.ravel()
    differences = (compare(flat, layout.ravel()) for layout in _layouts(actual))
    return max(differences, key=lambda difference: difference.sqnr_db)


def _agree(reference: Array, actual: Array, gate: Gate) -> bool:
    flat = reference.ravel()
    return any(gate.passes(compare(flat, layout.ravel())) for layout in _layouts(actual))


def _layouts(array: Array) -> Iterator[Array]:
    """The array as it is, and with its channels last or first where that is another order of its values."""
    yield array
    sides = [side for side in array.shape if side > 1]
    if len(sides) == 2:
        yield array.reshape(sides).T
    elif array.ndim > 2 and len(sides) > 2:
        yield np.moveaxis(array, 1, -1)
        yield np.moveaxis(array, -1, 1)


@dataclass(frozen=True)
class _Moments:
    """What does not depend on the layout: cheap to compare before the values are.

    Attributes:
        size: Number of values.
        mean: Of the values.
        rms: Root of their mean square.
        spread: Largest minus smallest.
    """

    size: int
    mean: float
    rms: float
    spread: float


def _moments(value: Array) -> _Moments:
    if not value.size:
        return _Moments(0, 0.0, 0.0, 0.0)
    mean, power = float(value.mean(dtype=np.float64)), float(np.square(value, dtype=np.float64).mean())
    return _Moments(value.size, mean, power**0.5, float(value.max()) - float(value.min()))


def _may_agree(reference: _Moments, actual: _Moments, gate: Gate) -> bool:
    """False only where the gate cannot pass: neither moment differs by more than the noise's root mean square."""
    if not reference.size or reference.size != actual.size:
        return False
    spread = reference.spread or 1.0
    allowed = gate.limit * spread if gate.measure == "relative" else reference.rms * 10 ** (-gate.limit / 20)
    allowed += 1e-9 * (reference.rms + actual.rms)  # float64's own rounding, generously
    return abs(reference.mean - actual.mean) <= allowed and abs(reference.rms - actual.rms) <= allowed
