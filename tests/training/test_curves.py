"""Curves: a mean without the start's bias, and pictures that are the same every time."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevos.training.curves import curve_svg, smooth

values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)
spans = st.floats(1, 100)


@given(values, spans)
def test_smoothing_is_the_weighted_mean_of_the_values_so_far(given_values: list[float], span: float) -> None:
    keep = 1 - 1 / span
    for t, mean in enumerate(smooth(given_values, span)):
        weights = [keep ** (t - i) for i in range(t + 1)]
        expected = sum(w * x for w, x in zip(weights, given_values, strict=False)) / sum(weights)
        assert mean == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_a_span_of_one_leaves_the_values_and_a_long_one_gives_their_mean() -> None:
    assert smooth([3.0, 1.0, 2.0], 1) == [3, 1, 2]
    assert smooth([3.0, 1.0, 2.0], 1e9) == pytest.approx([3, 2, 2])


def test_the_same_values_give_the_same_picture_and_others_another() -> None:
    first = curve_svg([1, 2, 3], [3, 1, 2], [3, 2, 2])
    assert ElementTree.fromstring(first).tag == "{http://www.w3.org/2000/svg}svg"
    assert curve_svg([1, 2, 3], [3, 1, 2], [3, 2, 2]) == first
    assert curve_svg([1, 2, 3], [3, 1, 2]) != first
    assert curve_svg([1, 2, 4], [3, 1, 2], [3, 2, 2]) != first


def test_one_point_is_a_curve() -> None:
    assert ElementTree.fromstring(curve_svg([5], [0.25])).tag.endswith("svg")
