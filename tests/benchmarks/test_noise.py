import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.noise import median_interval


@given(st.lists(st.floats(1, 1e3), min_size=1, max_size=60))
def test_the_interval_lies_within_what_was_seen(values: list[float]) -> None:
    found = median_interval(values)
    assert min(values) <= found.low <= found.high <= max(values)
    assert found.value == pytest.approx(np.median(values))


def test_the_interval_of_independent_noise_is_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(0).normal(100, 1, 2000)
    found = median_interval(values)
    expected = 1.96 * np.sqrt(np.pi / 2 / 2000)  # of the median of a normal distribution
    assert (found.high - found.low) / 2 == pytest.approx(expected, rel=0.35)


def test_a_machine_that_is_busy_for_a_while_makes_the_interval_wider() -> None:
    random = np.random.default_rng(1)
    quiet = random.normal(100, 1, 640)
    busy = quiet + np.repeat(random.choice([0.0, 10.0], 20), 32)
    shuffled = random.permutation(busy)
    width = [found.high - found.low for found in map(median_interval, (quiet, busy, shuffled))]
    assert width[1] > 5 * width[0]
    assert width[1] > 1.5 * width[2]  # resampled step by step, the same values would seem more certain


def test_the_same_values_give_the_same_interval() -> None:
    values = list(np.random.default_rng(2).normal(10, 1, 50))
    assert median_interval(values) == median_interval(values)
