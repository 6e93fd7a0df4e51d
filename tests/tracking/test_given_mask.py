"""A given mask is checked, and is the truth where it says something."""

import numpy as np
import pytest

from mobilevos.errors import InputError
from mobilevos.tracking.given_mask import check_mask, impose, object_ids

SIZE = (2, 3)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.uint16, np.int32, np.int64, np.uint64])
def test_any_integers_are_object_ids(dtype):
    mask = np.eye(*SIZE).astype(dtype)
    checked = check_mask(mask, SIZE)
    assert checked.dtype == np.uint16
    np.testing.assert_array_equal(checked, np.eye(*SIZE))


def test_a_strided_mask_keeps_its_numbers():
    mask = np.arange(24, dtype=np.int64).reshape(6, 4)[::2, ::-2].T
    checked = check_mask(mask, SIZE)
    assert checked.flags.c_contiguous
    np.testing.assert_array_equal(checked, mask)


@pytest.mark.parametrize("shape", [(3, 2), (2, 3, 1), (6,)])
def test_a_mask_of_another_size_is_refused(shape):
    with pytest.raises(InputError, match=r"expected 2x3 \(height x width\); found " + "x".join(map(str, shape))):
        check_mask(np.ones(shape, np.uint8), SIZE)


@pytest.mark.parametrize("mask", [np.full(SIZE, -1), np.full(SIZE, 65536), np.ones(SIZE, np.float32)])
def test_what_cannot_be_ids_is_refused(mask):
    with pytest.raises(InputError, match=r"cannot use the mask; expected .*object ids"):
        check_mask(mask, SIZE)


def test_ids_are_listed_ascending_without_the_background():
    assert object_ids(np.array([[9, 0, 65535], [2, 9, 0]], np.uint16)) == (2, 9, 65535)
    assert object_ids(np.zeros(SIZE, np.uint16)) == ()


def test_a_given_object_is_exactly_its_mask_and_the_rest_keeps_its_prediction():
    mask = np.array([[7, 0, 0]], np.uint16)
    predicted = np.array([[[0.1, 0.4, 0.8]], [[0.9, 0.6, 0.2]]], np.float32)
    imposed = impose(mask, ids=(3, 7), predicted_ids=(3,), predicted=predicted)
    expected = [[[0, 0.4, 0.8]], [[0, 0.6, 0.2]], [[1, 0, 0]]]
    np.testing.assert_allclose(imposed, expected, atol=1e-7)


def test_where_everything_is_given_the_mask_is_the_result():
    mask = np.array([[0, 5, 300], [300, 0, 5]], np.uint16)
    imposed = impose(mask, ids=(5, 300), predicted_ids=(), predicted=np.ones((1, 2, 3), np.float32))
    np.testing.assert_array_equal(imposed, np.stack([mask == 0, mask == 5, mask == 300]))
