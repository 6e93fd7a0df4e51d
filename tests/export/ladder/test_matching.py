"""Tensors are recognised by their numbers, in any layout that a converter chooses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.ladder.matching import counterparts, nearest_difference
from export.ladder.trace import INPUT, Step, Trace
from export.parity import GATES, compare
from mobilevos.engines.engine import Array

RANDOM = np.random.default_rng(0)
VALUE = RANDOM.standard_normal((1, 3, 4, 5), dtype=np.float32)


def trace(**values: Array) -> Trace:
    return Trace(tuple(Step(name, INPUT, (), value) for name, value in values.items()), ())


@pytest.mark.parametrize(
    "layout",
    [
        VALUE,
        VALUE.transpose(0, 2, 3, 1),
        VALUE.reshape(3, 20),
        VALUE.reshape(3, 20).T,
        VALUE.reshape(1, 3, 20).swapaxes(1, 2),
    ],
    ids=["as it is", "channels last", "flat", "transposed", "rows of positions"],
)
def test_a_tensor_is_recognised_in_another_layout(layout: Array) -> None:
    difference = nearest_difference(VALUE, np.ascontiguousarray(layout))
    assert difference is not None
    assert difference.max_abs == 0
    assert counterparts(trace(a=VALUE), trace(b=layout), GATES["fp32"]) == {"b": frozenset({"a"})}


def test_a_wrong_permutation_is_none_of_them() -> None:
    swapped = np.ascontiguousarray(VALUE.transpose(0, 1, 3, 2))
    assert counterparts(trace(a=VALUE), trace(b=swapped), GATES["fp32"]) == {"b": frozenset()}


def test_tensors_of_other_sizes_cannot_be_compared() -> None:
    assert nearest_difference(VALUE, VALUE[:, :2]) is None
    assert counterparts(trace(a=VALUE), trace(b=VALUE[:, :2]), GATES["fp32"]) == {"b": frozenset()}


def test_a_tensor_may_have_several_counterparts() -> None:
    found = counterparts(trace(a=VALUE, view=VALUE.reshape(60), other=VALUE + 1), trace(b=VALUE), GATES["fp32"])
    assert found == {"b": frozenset({"a", "view"})}


def test_nothing_agrees_with_what_is_not_finite() -> None:
    broken = np.full_like(VALUE, np.nan)
    assert counterparts(trace(a=VALUE), trace(b=broken), GATES["fp16"]) == {"b": frozenset()}


@given(
    seed=st.integers(0, 2**32 - 1),
    offset=st.floats(-100, 100),
    noise=st.floats(0, 1e-2),
    precision=st.sampled_from(sorted(GATES)),
)
def test_the_quick_look_at_moments_rejects_nothing_that_the_gate_passes(
    seed: int, offset: float, noise: float, precision: str
) -> None:
    generator, gate = np.random.default_rng(seed), GATES[precision]
    reference = (generator.standard_normal((2, 3, 4)) + offset).astype(np.float32)
    actual = (reference + noise * generator.standard_normal(reference.shape)).astype(np.float32)
    found = counterparts(trace(a=reference), trace(b=actual), gate)["b"]
    assert bool(found) == gate.passes(compare(reference, actual))
