"""How far two engines' masks agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from mobilevos.evaluation.metrics import region_similarity

__all__ = ["Agreement", "frame_iou", "summarise"]


@dataclass(frozen=True)
class Agreement:
    """Intersection over union of two engines' masks.

    Attributes:
        mean: Over all frames, 0..1.
        worst: Of the worst frame.
        worst_frame: Its name, as `summarise` was given it.
    """

    mean: float
    worst: float
    worst_frame: str


def frame_iou(labels: NDArray[np.uint8], reference: NDArray[np.uint8], ids: Sequence[int]) -> float:
    """Mean over the objects of one frame's IoU; an object in neither mask counts 1.

    Args:
        labels: Object ids `[H, W]`.
        reference: Likewise.
        ids: The objects, at least one.
    """
    return fmean(region_similarity(labels == object_id, reference == object_id) for object_id in ids)


def summarise(ious: Sequence[float], frames: Sequence[str]) -> Agreement:
    """Mean and worst of all frames' IoU.

    Args:
        ious: Of each frame, 0..1; at least one.
        frames: Their names, e.g. `bmx-trees:00042` where frames of several sequences are summed up.
    """
    iou, frame = min(zip(ious, frames, strict=True), key=lambda one: one[0])
    return Agreement(fmean(ious), iou, frame)
