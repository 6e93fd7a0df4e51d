"""The memory bank keeps the frames that its policy names, in buffers that stay where they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevos.contract import EMPTY_BIAS
from mobilevos.errors import InputError
from mobilevos.tracking.memory_bank import (
    FIRST_AND_LATEST,
    UNBOUNDED,
    MemoryBank,
    MemoryPolicy,
    bank_capacity,
)

POSITIONS, OBJECTS = 3, 2


def frame_rows(number):
    """A frame whose rows all tell its number: key `[3, 5]`, values `[2, 3, 4]`."""
    key = np.full((POSITIONS, 5), number, np.float32)
    values = np.full((OBJECTS, POSITIONS, 4), number, np.float32)
    values[1] += 0.5
    return key, values


def written(bank, count):
    for number in range(count):
        bank.write(*frame_rows(number))
    return bank


def held_frames(bank):
    """The numbers of the frames that a bank holds, in the order of its slots, with None for an empty slot."""
    held = []
    for key, value in zip(
        bank.keys.reshape(-1, POSITIONS, 5), bank.values.reshape(OBJECTS, -1, POSITIONS, 4)[0], strict=True
    ):
        empty = (key[:, :-1] == 0).all() and (key[:, -1] == EMPTY_BIAS).all() and (value == 0).all()
        assert empty or np.unique(key) == np.unique(value)
        held.append(None if empty else int(key[0, 0]))
    return held


@given(recent=st.integers(1, 5), spare=st.integers(0, 3), count=st.integers(1, 20))
def test_a_bounded_bank_holds_the_first_frame_and_the_latest_ones(recent, spare, count):
    bank = written(MemoryBank(1 + recent + spare, MemoryPolicy(recent)), count)
    expected = [0, *range(1, count)[-recent:]]
    empty = 1 + recent + spare - len(expected)
    assert sorted(number for number in held_frames(bank) if number is not None) == expected
    assert held_frames(bank).count(None) == empty
    assert len(bank) == len(expected)


@given(count=st.integers(1, 20))
def test_an_unbounded_bank_holds_every_frame_in_order_and_nothing_else(count):
    bank = written(MemoryBank(None, UNBOUNDED), count)
    assert held_frames(bank) == list(range(count))
    assert len(bank) == count


def test_first_and_latest_is_two_frames():
    assert FIRST_AND_LATEST.capacity == 2
    assert held_frames(written(MemoryBank(None, FIRST_AND_LATEST), 7)) == [0, 6]


def test_nothing_is_held_before_the_first_write():
    bank = MemoryBank(2, FIRST_AND_LATEST)
    assert (len(bank), len(bank.keys), len(bank.values)) == (0, 0, 0)


def test_a_bounded_bank_writes_in_place():
    bank = written(MemoryBank(4, MemoryPolicy(3)), 1)
    keys, values = bank.keys, bank.values
    written(bank, 1000)
    assert bank.keys is keys
    assert bank.values is values
    for buffer in (keys, values):
        assert buffer.dtype == np.float32
        assert buffer.flags.c_contiguous


def test_an_unbounded_bank_grows_by_doubling():
    bank, buffers = MemoryBank(None, UNBOUNDED), set()
    for number in range(100):
        bank.write(*frame_rows(number))
        buffers.add(len(bank.keys.base))
    assert buffers == {POSITIONS * 2**power for power in range(8)}


@pytest.mark.parametrize("policy", [MemoryPolicy(2), UNBOUNDED])
def test_a_removed_object_takes_its_values_along(policy):
    bank = written(MemoryBank(None, policy), 3)
    bank.remove(0)
    bank.write(frame_rows(3)[0], frame_rows(3)[1][1:])
    assert bank.values.shape[0] == 1
    assert set(np.unique(bank.values)) <= {0.5, 1.5, 2.5, 3.5}
    assert 3.5 in bank.values


@pytest.mark.parametrize(("policy", "needed"), [(MemoryPolicy(2), "3 memory frames"), (UNBOUNDED, "every")])
def test_a_policy_that_keeps_more_than_the_engine_takes_is_refused(policy, needed):
    with pytest.raises(InputError, match=f"at most 2 memory frames.*{needed}"):
        MemoryBank(2, policy)


def test_the_engines_capacity_wins_over_a_smaller_policy():
    assert bank_capacity(None, FIRST_AND_LATEST) == 2
    assert bank_capacity(5, FIRST_AND_LATEST) == 5
    assert bank_capacity(None, UNBOUNDED) is None


def test_a_policy_keeps_at_least_one_recent_frame():
    with pytest.raises(InputError, match="recent >= 1"):
        MemoryPolicy(0)
