"""One training sample, and how samples become a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["ClipBatch", "ClipDataset", "ClipSource", "TrainingClip", "collate"]


@dataclass(frozen=True)
class TrainingClip:
    """A short clip with the objects to track in it.

    Attributes:
        frames: `[T, 3, H, W]` uint8, RGB.
        labels: `[T, H, W]` uint8, 0 for background and 1..max_objects for objects.
        valid: `[max_objects]` bool; entry i says that object i + 1 exists, which means: in the first frame.
        name: Where the clip came from.
    """

    frames: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    name: str


@dataclass(frozen=True)
class ClipBatch:
    """Stacked clips.

    Attributes:
        frames: `[B, T, 3, H, W]` uint8, RGB; divide by 255 on the training side.
        labels: `[B, T, H, W]` uint8, ids 0..max_objects.
        valid: `[B, max_objects]` bool.
        names: B names.
    """

    frames: torch.Tensor
    labels: torch.Tensor
    valid: torch.Tensor
    names: tuple[str, ...]

    def pin_memory(self) -> ClipBatch:
        """The same batch in page-locked memory (called by the data loader)."""
        return ClipBatch(self.frames.pin_memory(), self.labels.pin_memory(), self.valid.pin_memory(), self.names)


def collate(clips: Sequence[TrainingClip]) -> ClipBatch:
    """Stacks clips of one shape into a batch."""
    return ClipBatch(
        frames=torch.from_numpy(np.stack([clip.frames for clip in clips])),
        labels=torch.from_numpy(np.stack([clip.labels for clip in clips])),
        valid=torch.from_numpy(np.stack([clip.valid for clip in clips])),
        names=tuple(clip.name for clip in clips),
    )


class ClipSource(Protocol):
    """Anything that draws training clips."""

    def draw(self, n: int, rng: np.random.Generator) -> TrainingClip:
        """Draws sample number `n` of a run; all randomness comes from `rng`."""


class ClipDataset(torch.utils.data.Dataset[TrainingClip]):
    """Sample `n` of the endless stream of a run: a pure function of `(seed, n)`.

    A run that stopped before sample n goes on with sample n: there is no other state to save.

    Args:
        source: Draws the clips.
        seed: Of the run, not negative.
    """

    def __init__(self, source: ClipSource, seed: int) -> None:
        self.source, self.seed = source, seed

    def __getitem__(self, n: int) -> TrainingClip:
        return self.source.draw(n, np.random.default_rng([self.seed, n]))
