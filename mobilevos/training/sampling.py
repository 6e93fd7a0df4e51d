"""Which clips each process takes in each step. Sample n is a function of the seed: the sampler has no other state."""

from __future__ import annotations

from collections.abc import Iterator

from mobilevos.errors import InputError
from mobilevos.training.distributed import Ranks

__all__ = ["part_size", "sample_batches"]


def part_size(batch_size: int, accumulate: int, ranks: Ranks) -> int:
    """Clips that a process runs at once.

    Raises:
        InputError: The batch cannot be divided evenly.
    """
    parts = accumulate * ranks.world
    if batch_size % parts:
        raise InputError(
            f"a batch of {batch_size} clips cannot be divided",
            expected=f"training.batch_size a multiple of {parts}",
            found=f"{ranks.world} processes, training.accumulate={accumulate}",
        )
    return batch_size // parts


def sample_batches(start: int, stop: int, batch_size: int, accumulate: int, ranks: Ranks) -> Iterator[list[int]]:
    """Sample numbers of this process, one list for each forward pass.

    Step s is made of samples `s * batch_size` and the `batch_size - 1` after it, however many processes share them.

    Args:
        start: First step.
        stop: One past the last step.
        batch_size: Clips per step, of all processes.
        accumulate: Forward passes per step.
        ranks: This process.
    """
    size = part_size(batch_size, accumulate, ranks)
    for step in range(start, stop):
        for part in range(accumulate):
            first = step * batch_size + (part * ranks.world + ranks.rank) * size
            yield list(range(first, first + size))
