"""J, F and their statistics against slow plain references, and at their edges."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mobilevos.evaluation.metrics import (
    boundary_f,
    boundary_map,
    boundary_radius,
    region_similarity,
    statistics,
)

EMPTY = np.zeros((30, 40), bool)


def rectangle(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = EMPTY.copy()
    mask[top:bottom, left:right] = True
    return mask


def plain_boundary(mask: np.ndarray) -> list[tuple[int, int]]:
    """Pixels that differ from their right, lower or lower right neighbour inside the image."""
    height, width = mask.shape
    return [
        (y, x)
        for y in range(height)
        for x in range(width)
        if any(
            mask[y + dy, x + dx] != mask[y, x]
            for dy, dx in ((0, 1), (1, 0), (1, 1))
            if y + dy < height and x + dx < width
        )
    ]


def plain_boundary_f(mask: np.ndarray, truth: np.ndarray, radius: int) -> float:
    """F by the distances of all pairs of boundary pixels."""
    found, wanted = plain_boundary(mask), plain_boundary(truth)
    if not found or not wanted:
        return 1.0 if not found and not wanted else 0.0
    squared = [[(y - v) ** 2 + (x - u) ** 2 for v, u in wanted] for y, x in found]
    precision = sum(min(row) <= radius**2 for row in squared) / len(found)
    recall = sum(min(column) <= radius**2 for column in zip(*squared, strict=True)) / len(wanted)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


masks = npst.arrays(np.bool_, (13, 17))


@settings(deadline=None)
@given(masks, masks)
def test_j_is_intersection_over_union(mask: np.ndarray, truth: np.ndarray) -> None:
    a = {tuple(place) for place in np.argwhere(mask)}
    b = {tuple(place) for place in np.argwhere(truth)}
    expected = len(a & b) / len(a | b) if a | b else 1.0
    assert region_similarity(mask, truth) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(masks)
def test_the_boundary_is_where_a_pixel_differs_from_the_next(mask: np.ndarray) -> None:
    assert [tuple(place) for place in np.argwhere(boundary_map(mask))] == plain_boundary(mask)


@settings(deadline=None, max_examples=30)
@given(masks, masks)
def test_f_matches_distances_on_noise(mask: np.ndarray, truth: np.ndarray) -> None:
    expected = plain_boundary_f(mask, truth, radius=1)
    assert boundary_f(mask, truth) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=20)
@given(*[st.tuples(st.integers(0, 11), st.integers(0, 30), st.integers(1, 12), st.integers(1, 30))] * 2)
def test_f_matches_distances_on_boxes(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    # 260 pixels of diagonal: the radius is 3, so that the disk's shape matters; boxes may touch the edges.
    boxes = []
    for top, left, height, width in (first, second):
        box = np.zeros((12, 260), bool)
        box[top : top + height, left : left + width] = True
        boxes.append(box)
    expected = plain_boundary_f(*boxes, radius=3)
    assert boundary_f(*boxes) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("mask", "truth", "j", "f"),
    [
        (EMPTY, EMPTY, 1.0, 1.0),
        (EMPTY, rectangle(5, 5, 9, 9), 0.0, 0.0),
        (rectangle(5, 5, 9, 9), EMPTY, 0.0, 0.0),
        (rectangle(5, 5, 9, 9), rectangle(5, 5, 9, 9), 1.0, 1.0),
        (rectangle(5, 5, 9, 9), rectangle(20, 20, 25, 25), 0.0, 0.0),
        # A mask that fills the image has no boundary.
        (~EMPTY, ~EMPTY, 1.0, 1.0),
        (~EMPTY, EMPTY, 0.0, 1.0),
        (rectangle(0, 0, 30, 20), ~EMPTY, 0.5, 0.0),
        # The right column, at the image's edge, still has its boundary one pixel to the left.
        (rectangle(0, 39, 30, 40), rectangle(0, 38, 30, 40), 0.5, 1.0),
    ],
)
def test_edges(mask: np.ndarray, truth: np.ndarray, j: float, f: float) -> None:
    assert region_similarity(mask, truth) == j
    assert boundary_f(mask, truth) == f


def test_any_number_but_zero_is_the_object() -> None:
    mask, truth = rectangle(5, 5, 15, 15), rectangle(6, 5, 20, 15)
    for kind in (np.uint8, np.int64, np.float32):
        assert region_similarity(mask.astype(kind) * 7, truth.astype(kind)) == region_similarity(mask, truth)
        assert boundary_f(mask.astype(kind) * 7, truth.astype(kind)) == boundary_f(mask, truth)


@pytest.mark.parametrize("metric", [region_similarity, boundary_f])
@pytest.mark.parametrize("shape", [(30, 41), (1, 30, 40)])
def test_masks_must_be_of_one_size(metric: object, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="of one size"):
        metric(np.zeros(shape, bool), EMPTY)


def test_the_radius_is_eight_pixels_at_480p() -> None:
    assert boundary_radius(480, 854) == 8
    assert boundary_radius(480, 854) == math.ceil(0.008 * math.hypot(480, 854))
    assert boundary_radius(1080, 1920) == 18
    assert boundary_radius(6, 8) == 1


def test_statistics_by_hand() -> None:
    # Nine frames: the quarters' edges are frames 0, 2, 4, 6 and 8, and neighbours share them.
    values = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
    result = statistics(values)
    assert result.mean == pytest.approx(0.6)
    assert result.recall == pytest.approx(5 / 9)  # 0.5 itself does not count
    assert result.decay == pytest.approx(0.9 - 0.3)


def test_halves_round_up_where_quarters_meet() -> None:
    # Seven frames: the edges 1, 2.5, 4, 5.5, 7 round to 1, 3, 4, 6, 7, where numpy alone has 1, 2, 4, 6, 7.
    values = [1.0, 1.0, 0.4, 0.0, 0.0, 0.2, 0.0]
    assert statistics(values).decay == pytest.approx(0.8 - 0.1)


def test_frames_beyond_the_256th_count_for_decay() -> None:
    assert statistics([1.0] * 300 + [0.0] * 300).decay == pytest.approx(1.0)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_few_frames_have_statistics(frames: int) -> None:
    result = statistics([0.75] * frames)
    assert (result.mean, result.recall, result.decay) == (0.75, 1.0, 0.0)


def test_no_frames_have_none() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        statistics([])
