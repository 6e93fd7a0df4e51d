"""Labels are the most probable object's id."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevos.tracking import Segmentation

id_lists = st.lists(st.integers(1, 65535), max_size=4, unique=True)


@given(ids=id_lists, seed=st.integers(0, 2**32 - 1))
def test_labels_are_the_argmax_in_object_ids(ids, seed):
    few_values = np.array([0, 0.25, 0.5, 1], np.float32)  # so that ties are common
    probabilities = np.random.default_rng(seed).choice(few_values, (len(ids) + 1, 3, 4))
    before = probabilities.copy()
    labels = Segmentation(tuple(ids), probabilities).labels
    np.testing.assert_array_equal(labels, np.array([0, *ids])[probabilities.argmax(axis=0)])
    np.testing.assert_array_equal(probabilities, before)


@pytest.mark.parametrize(("ids", "dtype"), [((), np.uint8), ((1, 255), np.uint8), ((256,), np.uint16)])
def test_labels_are_8_bits_wide_unless_an_id_needs_16(ids, dtype):
    assert Segmentation(ids, np.ones((len(ids) + 1, 2, 2), np.float32)).labels.dtype == dtype


def test_labels_are_made_once():
    segmentation = Segmentation((4,), np.ones((2, 2, 2), np.float32))
    assert segmentation.labels is segmentation.labels


def test_a_segmentation_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Segmentation((), np.ones((1, 2, 2), np.float32)).ids = (1,)
