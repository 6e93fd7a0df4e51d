"""Mixing sources, and loading batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader

from mobilevos.data.clips.sample import ClipBatch, ClipDataset, ClipSource, TrainingClip, collate
from mobilevos.errors import InputError

__all__ = ["MixedClips", "training_loader"]


class MixedClips:
    """Draws each sample from one of several sources.

    Args:
        parts: Sources with their weights, which are positive and need not add up to 1.
    """

    def __init__(self, parts: Sequence[tuple[ClipSource, float]]) -> None:
        weights = np.array([weight for _, weight in parts], float)
        if len(weights) == 0 or (weights <= 0).any():
            raise InputError("clip sources", expected="at least one, of positive weight", found=str(weights.tolist()))
        self.sources = [source for source, _ in parts]
        self.share = weights / weights.sum()

    def draw(self, n: int, rng: np.random.Generator) -> TrainingClip:
        """Draws the source, then a clip from it."""
        return self.sources[int(rng.choice(len(self.sources), p=self.share))].draw(n, rng)


def training_loader(dataset: ClipDataset, batches: Iterable[list[int]], workers: int) -> Iterator[ClipBatch]:
    """Batches of samples, in order; the stream is the same for any number of workers.

    Args:
        dataset: The run's samples.
        batches: Sample numbers of each batch. To resume, start at the first that was not trained on.
        workers: Loader processes; 0 loads in the caller's own.

    Raises:
        InputError: A file is corrupt; from a worker process too.
    """
    loader = DataLoader(
        _ErrorsAsItems(dataset),
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_collate_or_error,
        worker_init_fn=_one_thread,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator(),  # else starting the loader would advance the caller's global generator
    )
    for batch in loader:
        if isinstance(batch, InputError):
            raise batch
        yield batch


class _ErrorsAsItems(torch.utils.data.Dataset[TrainingClip | InputError]):
    """Hands an `InputError` over as an item: raised in a worker it would arrive as a page of traceback."""

    def __init__(self, dataset: ClipDataset) -> None:
        self.dataset = dataset

    def __getitem__(self, n: int) -> TrainingClip | InputError:
        try:
            return self.dataset[n]
        except InputError as error:
            return error


def _collate_or_error(items: Sequence[TrainingClip | InputError]) -> ClipBatch | InputError:
    clips = []
    for item in items:
        if isinstance(item, InputError):
            return item
        clips.append(item)
    return collate(clips)


def _one_thread(worker: int) -> None:
    """A worker is one of several processes: it must not start a thread per core as well."""
    cv2.setNumThreads(0)
