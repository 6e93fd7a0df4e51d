"""How far two engines' masks agree, and how far one's agree with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from mobilevos.evaluation.agreement import Agreement, frame_iou, summarise
from mobilevos.evaluation.metrics import boundary_f, region_similarity

__all__ = ["Agreement", "JandF", "frame_iou", "summarise"]

Labels = NDArray[np.uint8]


class JandF:
    """J&F of one clip, from frames as they come: the mean of both over objects and frames.

    Args:
        ids: The objects, at least one.
        length: Frames of the clip. The first, which is given, and the last do not count, as in DAVIS.
    """

    def __init__(self, ids: Sequence[int], length: int) -> None:
        self._ids, self._counted = ids, range(1, length - 1)
        self._values: list[float] = []

    def add(self, index: int, labels: Labels, truth: Labels) -> None:
        """Scores frame `index`; both masks are object ids `[H, W]`."""
        if index in self._counted:
            for object_id in self._ids:
                mask, wanted = labels == object_id, truth == object_id
                self._values.append((region_similarity(mask, wanted) + boundary_f(mask, wanted)) / 2)

    @property
    def mean(self) -> float | None:
        """0..1; None before the first frame that counts."""
        return fmean(self._values) if self._values else None
