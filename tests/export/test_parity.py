"""Differences against a slow float64 formula, and what JSON may hold."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from export.parity import GATES, Difference, compare

ARRAYS = hnp.arrays(np.float32, (2, 3), elements=st.floats(-1000, 1000, width=32))


@given(ARRAYS, ARRAYS)
def test_a_difference_is_that_of_the_plain_formula(reference: NDArray[np.float32], actual: NDArray[np.float32]) -> None:
    difference = compare(reference, actual)
    pairs = [(float(r), float(a)) for r, a in zip(reference.flat, actual.flat, strict=True)]
    largest = max(abs(a - r) for r, a in pairs)
    spread = float(reference.max()) - float(reference.min())
    signal, noise = sum(r * r for r, _ in pairs), sum((a - r) ** 2 for r, a in pairs)
    assert difference.max_abs == pytest.approx(largest)
    assert difference.relative == pytest.approx(largest / (spread or 1))
    if noise == 0:
        assert (difference.sqnr_db, difference.psnr_db, difference.cosine) == (math.inf, math.inf, 1)
        return
    assert difference.psnr_db == pytest.approx(10 * math.log10((spread or 1) ** 2 / (noise / len(pairs))))
    lengths = math.sqrt(signal) * math.sqrt(sum(a * a for _, a in pairs))
    assert difference.cosine == pytest.approx(sum(r * a for r, a in pairs) / lengths if lengths else 0)
    if signal == 0:
        assert difference.sqnr_db == -math.inf
    else:
        assert difference.sqnr_db == pytest.approx(10 * math.log10(signal / noise))


def test_a_known_ratio() -> None:
    reference = np.array([3, -4], np.float32)
    difference = compare(reference, reference + np.float32(0.5))
    assert difference.max_abs == 0.5
    assert difference.relative == pytest.approx(0.5 / 7)
    assert difference.sqnr_db == pytest.approx(10 * math.log10(25 / 0.5))
    assert difference.psnr_db == pytest.approx(10 * math.log10(49 / 0.25))
    assert difference.cosine == pytest.approx((3 * 3.5 + 4 * 3.5) / (5 * math.hypot(3.5, 3.5)))


def test_equal_arrays() -> None:
    array = np.ones((2, 2), np.float32)
    difference = compare(array, array)
    assert (difference.max_abs, difference.relative, difference.sqnr_db) == (0, 0, math.inf)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("which", ["reference", "actual", "both"])
def test_what_is_not_finite_passes_no_gate(bad: float, which: str) -> None:
    reference, actual = np.zeros(3, np.float32), np.zeros(3, np.float32)
    for name, array in (("reference", reference), ("actual", actual)):
        if which in (name, "both"):
            array[1] = bad
    assert compare(reference, actual).relative == math.inf


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        compare(np.zeros(2, np.float32), np.zeros(3, np.float32))


@pytest.mark.parametrize("actual", [0.0, 1e-6])
def test_a_difference_is_json_that_every_reader_takes(actual: float) -> None:
    difference = compare(np.zeros(2, np.float32), np.full(2, actual, np.float32))
    assert json.loads(json.dumps(difference.to_json(), allow_nan=False))["sqnr_db"] is None


# Gates


def difference(relative: float, sqnr_db: float) -> Difference:
    return Difference(relative, relative, sqnr_db, sqnr_db, 1)


@pytest.mark.parametrize(
    ("precision", "relative", "sqnr_db", "passes"),
    [
        ("fp32", 5e-5, 0, True),
        ("fp32", 5.1e-5, 200, False),
        ("fp16", 1, 50, True),
        ("fp16", 0, 49.9, False),
        ("fp32", math.nan, math.nan, False),
        ("fp16", math.nan, math.nan, False),
    ],
)
def test_a_gate_looks_at_one_measure(precision: str, relative: float, sqnr_db: float, passes: bool) -> None:
    assert GATES[precision].passes(difference(relative, sqnr_db)) is passes


def test_the_worst_is_by_the_gates_own_measure() -> None:
    far, noisy = difference(1e-3, 80), difference(1e-4, 40)
    assert GATES["fp32"].worst([far, noisy]) is far
    assert GATES["fp16"].worst([far, noisy]) is noisy
