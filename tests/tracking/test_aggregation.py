"""Soft aggregation equals the paper's formula, and stays finite where the formula does not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mobilevos.tracking.aggregation import soft_aggregate, sum_of_others

logit_arrays = st.integers(1, 4).flatmap(
    lambda objects: arrays(np.float32, (objects, 1, 2, 3), elements=st.floats(-300, 300, width=32))
)


def reference(logits):
    """The definition, in float64: the background from the product of the complements, then a softmax."""
    x = logits[:, 0].astype(np.float64)
    log_p = -np.logaddexp(0, x).sum(axis=0)
    background = log_p - np.log(-np.expm1(log_p))
    everything = np.concatenate([background[None], x])
    weights = np.exp(everything - everything.max(axis=0))
    return weights / weights.sum(axis=0)


@given(logits=logit_arrays)
def test_it_is_the_papers_formula(logits):
    np.testing.assert_allclose(soft_aggregate(logits), reference(logits), rtol=0, atol=1e-6)


@given(logits=arrays(np.float32, (1, 1, 2, 3), elements=st.floats(-300, 300, width=32)))
def test_one_object_is_a_sigmoid_of_twice_its_logit(logits):
    expected = np.exp(-np.logaddexp(0, -2 * logits[0, 0].astype(np.float64)))
    np.testing.assert_allclose(soft_aggregate(logits)[1], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("objects", [1, 2, 5])
@given(data=st.data())
def test_extreme_logits_give_finite_probabilities_that_sum_to_one(objects, data):
    extremes = st.sampled_from([-6e4, -200.0, -88.0, 0.0, 88.0, 200.0, 6e4])
    logits = data.draw(arrays(np.float32, (objects, 1, 1, 3), elements=extremes))
    with np.errstate(all="raise", under="ignore"):
        probabilities = soft_aggregate(logits)
    assert probabilities.dtype == np.float32
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-6)


def test_the_larger_of_two_saturated_objects_wins():
    probabilities = soft_aggregate(np.array([100, 200], np.float32).reshape(2, 1, 1, 1))
    np.testing.assert_allclose(probabilities.ravel(), [0, 0, 1], atol=1e-6)


def test_a_frame_without_objects_is_background():
    np.testing.assert_array_equal(soft_aggregate(np.zeros((0, 1, 2, 3), np.float32)), np.ones((1, 2, 3)))


def test_the_logits_are_left_alone_whatever_their_strides():
    logits = np.linspace(-9, 9, 2 * 4 * 6, dtype=np.float32).reshape(2, 1, 4, 6)
    before = logits.copy()
    strided = soft_aggregate(logits[:, :, ::-1, ::2])
    np.testing.assert_array_equal(logits, before)
    np.testing.assert_array_equal(strided, soft_aggregate(logits)[:, ::-1, ::2])


def test_the_others_of_an_object_are_all_objects_but_itself():
    logits = np.random.default_rng(0).normal(0, 9, (3, 1, 40, 50)).astype(np.float32)
    probabilities = soft_aggregate(logits)
    others = sum_of_others(probabilities)
    assert others.shape == logits.shape
    np.testing.assert_allclose(others[1, 0], probabilities[1] + probabilities[3], atol=1e-6)
    assert others.min() >= 0


def test_a_single_object_has_no_others():
    assert not sum_of_others(soft_aggregate(np.full((1, 1, 2, 2), 0.3, np.float32))).any()
