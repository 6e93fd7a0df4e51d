"""Ranges: what they hold, how they are stored, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevos.errors import InputError
from mobilevos.quantization.ranges import Range, check_observed, parse_ranges, ranges_to_json

scales = st.floats(2**-20, 2**20, width=32)
ranges = st.builds(Range, scales, st.integers(-128, 127))


@given(st.dictionaries(st.text(min_size=1), ranges))
def test_storing_loses_nothing(table: dict[str, Range]) -> None:
    assert parse_ranges(json.loads(json.dumps(ranges_to_json(table)))) == table


@given(ranges)
def test_a_range_holds_0_and_255_steps(one: Range) -> None:
    assert one.minimum <= 0 <= one.maximum
    assert one.maximum - one.minimum == pytest.approx(255 * one.scale)


@pytest.mark.parametrize(
    "stored",
    [
        [],
        {"decoder.head": None},
        {"decoder.head": {"scale": 1.0}},
        {"decoder.head": {"scale": 0.0, "zero_point": 0}},
        {"decoder.head": {"scale": float("inf"), "zero_point": 0}},
        {"decoder.head": {"scale": True, "zero_point": 0}},
        {"decoder.head": {"scale": 1.0, "zero_point": 128}},
        {"decoder.head": {"scale": 1.0, "zero_point": 0.5}},
    ],
)
def test_ranges_that_are_none_are_refused_by_name(stored: Any) -> None:
    with pytest.raises(InputError, match="decoder.head" if stored else "ranges"):
        parse_ranges(stored)


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (float("-inf"), 1.0), (0.0, float("nan"))])
def test_a_layer_that_gave_nothing_usable_is_named(low: float, high: float) -> None:
    with pytest.raises(InputError, match=r"decoder\.head cannot be quantized"):
        check_observed("decoder.head", low, high)
