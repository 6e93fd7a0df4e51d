"""J, F and their statistics, as the official davis2017-evaluation computes them.

F. Perazzi et al., A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation, CVPR 2016.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Statistics", "boundary_f", "boundary_map", "boundary_radius", "region_similarity", "statistics"]

_TOLERANCE = 0.008
"""Distance, as a share of the image's diagonal, at which two boundary pixels still match."""


def region_similarity(mask: NDArray[Any], truth: NDArray[Any]) -> float:
    """Region similarity J: intersection over union of two masks.

    Args:
        mask: `[H, W]`, bool or number, nonzero is the object.
        truth: Likewise, the ground truth.

    Returns:
        0..1; 1 when both are empty.

    Raises:
        ValueError: The masks differ in size.
    """
    mask, truth = _binary(mask, truth)
    union = np.count_nonzero(mask | truth)
    return np.count_nonzero(mask & truth) / union if union else 1.0


def boundary_f(mask: NDArray[Any], truth: NDArray[Any]) -> float:
    """Boundary accuracy F: F-measure of the boundary pixels within `boundary_radius` of the other boundary.

    Args:
        mask: `[H, W]`, bool or number, nonzero is the object.
        truth: Likewise, the ground truth.

    Returns:
        0..1; 1 when neither mask has a boundary, 0 when one has none. (A mask that fills the image has none.)

    Raises:
        ValueError: The masks differ in size.
    """
    mask, truth = _binary(mask, truth)
    found, wanted = boundary_map(mask), boundary_map(truth)
    n_found, n_wanted = np.count_nonzero(found), np.count_nonzero(wanted)
    if n_found == 0 or n_wanted == 0:
        return float(n_found == n_wanted)
    # Only boundary pixels are looked up in the dilated maps: the rest of the image changes nothing.
    x, y, width, height = cv2.boundingRect((found | wanted).view(np.uint8))
    found, wanted = found[y : y + height, x : x + width], wanted[y : y + height, x : x + width]
    disk = _disk(boundary_radius(*mask.shape))
    precision = np.count_nonzero(found & _dilated(wanted, disk)) / n_found
    recall = np.count_nonzero(wanted & _dilated(found, disk)) / n_wanted
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def boundary_map(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Boundary pixels of a mask: those that differ from their right, lower or lower right neighbour.

    The boundary is one pixel wide and lies half a pixel towards the origin. Pixels outside the image differ
    from none. (Martin's `seg2bmap` of the Berkeley benchmark.)

    Args:
        mask: `[H, W]`.

    Returns:
        `[H, W]`.
    """
    boundary = np.zeros_like(mask)
    inner, right, lower, diagonal = mask[:-1, :-1], mask[:-1, 1:], mask[1:, :-1], mask[1:, 1:]
    boundary[:-1, :-1] = (inner ^ right) | (inner ^ lower) | (inner ^ diagonal)
    boundary[-1, :-1] = mask[-1, :-1] ^ mask[-1, 1:]
    boundary[:-1, -1] = mask[:-1, -1] ^ mask[1:, -1]
    return boundary


def boundary_radius(height: int, width: int) -> int:
    """Radius in pixels of the disk within which boundaries match: 0.008 of the diagonal, rounded up."""
    return math.ceil(_TOLERANCE * float(np.linalg.norm((height, width))))


def _binary(mask: NDArray[Any], truth: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    if mask.ndim != 2 or mask.shape != truth.shape:
        raise ValueError(f"mask {list(mask.shape)} and truth {list(truth.shape)} must be [H, W] of one size")
    return mask.astype(bool), truth.astype(bool)


def _disk(radius: int) -> NDArray[np.uint8]:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disk: NDArray[np.uint8] = (x * x + y * y <= radius * radius).astype(np.uint8)
    return disk


def _dilated(boundary: NDArray[np.bool_], disk: NDArray[np.uint8]) -> NDArray[np.bool_]:
    dilated: NDArray[np.uint8] = cv2.dilate(boundary.astype(np.uint8), disk)
    return dilated.astype(bool)


@dataclass(frozen=True)
class Statistics:
    """What is reported of a measure over the frames of a clip.

    Attributes:
        mean: Over all frames, 0..1.
        recall: Share of frames above 0.5, 0..1.
        decay: Mean of the first quarter less mean of the last, -1..1; small is good.
    """

    mean: float
    recall: float
    decay: float


def statistics(values: Sequence[float]) -> Statistics:
    """Mean, recall and decay of one object's J or F.

    Neighbouring quarters share a frame, as in the official code. (Its 8-bit frame numbers, which wrap beyond
    256 frames, are not copied.)

    Args:
        values: One a frame in order, at least one.

    Raises:
        ValueError: There are none.
    """
    if not len(values):
        raise ValueError("statistics need at least one frame")
    array = np.asarray(values, dtype=np.float64)
    # 1e-10 makes halves round up: numpy alone rounds them to even numbers.
    edges = np.round(np.linspace(1, len(array), 5) + 1e-10).astype(int) - 1
    first, last = array[edges[0] : edges[1] + 1], array[edges[3] : edges[4] + 1]
    return Statistics(float(array.mean()), float((array > 0.5).mean()), float(first.mean() - last.mean()))
