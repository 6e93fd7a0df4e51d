"""Several processes, one run: what `torchrun` started, and nothing of our own beyond it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = ["Ranks", "join_ranks"]

Item = TypeVar("Item")


@dataclass(frozen=True)
class Ranks:
    """This process among those of the run.

    Attributes:
        rank: Its number, 0..world-1. Rank 0 writes and speaks.
        world: How many there are.
        local_rank: Its number on its machine, which is its GPU's.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    @classmethod
    def from_environment(cls) -> Ranks:
        """As torchrun set them; one process where it did not."""
        rank, world, local = (int(os.environ.get(name, default)) for name, default in _VARIABLES)
        return cls(rank, world, local)

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def mean(self, values: dict[str, Tensor]) -> dict[str, float]:
        """Each scalar's mean over all processes."""
        if self.world == 1:
            return {name: float(value) for name, value in values.items()}
        stacked = torch.stack([value.detach().float() for value in values.values()])
        dist.all_reduce(stacked)
        return dict(zip(values, (stacked / self.world).tolist(), strict=True))

    def share(self, items: Sequence[Item]) -> list[Item]:
        """This process's part of items that are divided among all."""
        return list(items[self.rank :: self.world])

    def gather(self, items: Sequence[Item]) -> list[Item]:
        """The parts that `share` gave, after work on them, in the items' first order; in every process."""
        if self.world == 1:
            return list(items)
        parts: list[Any] = [None] * self.world
        dist.all_gather_object(parts, list(items))
        total = sum(len(part) for part in parts)
        return [parts[place % self.world][place // self.world] for place in range(total)]

    def wait(self) -> None:
        """Waits until every process is here."""
        if self.world > 1:
            dist.barrier()


_VARIABLES = (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))


@contextmanager
def join_ranks(*, cuda: bool) -> Iterator[Ranks]:
    """Joins the processes that torchrun started (NCCL on GPUs, Gloo on CPUs), and leaves them at the end."""
    ranks = Ranks.from_environment()
    if ranks.world == 1:
        yield ranks
        return
    if cuda:
        torch.cuda.set_device(ranks.local_rank)
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield ranks
    finally:
        dist.destroy_process_group()
