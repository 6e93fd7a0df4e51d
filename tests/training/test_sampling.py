"""Which clips each process takes: together, and in any division, those of the step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevos.errors import InputError
from mobilevos.training.distributed import Ranks
from mobilevos.training.sampling import part_size, sample_batches


@given(
    size=st.integers(1, 4),
    accumulate=st.integers(1, 3),
    world=st.integers(1, 4),
    start=st.integers(0, 5),
    steps=st.integers(0, 4),
)
def test_every_clip_of_a_step_is_taken_once(size, accumulate, world, start, steps):
    batch = size * accumulate * world
    streams = [
        list(sample_batches(start, start + steps, batch, accumulate, Ranks(rank, world))) for rank in range(world)
    ]
    assert all(len(stream) == steps * accumulate for stream in streams)
    for step in range(steps):
        taken = [n for stream in streams for part in stream[step * accumulate : (step + 1) * accumulate] for n in part]
        assert sorted(taken) == list(range((start + step) * batch, (start + step + 1) * batch))


def test_one_process_takes_them_in_order():
    assert list(sample_batches(1, 3, 2, 1, Ranks())) == [[2, 3], [4, 5]]


def test_a_batch_that_cannot_be_divided_is_refused():
    assert part_size(12, 2, Ranks(0, 3)) == 2
    with pytest.raises(InputError, match=r"a batch of 4 clips cannot be divided; expected .* a multiple of 3"):
        part_size(4, 1, Ranks(0, 3))
