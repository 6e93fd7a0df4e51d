"""Soft aggregation: from one independent logit per object to probabilities that sum to one.

Every pass works in float32 on whole planes and writes into a given buffer; OpenCV's `exp` and `log` are
several times faster than numpy's, and this runs on every frame.
"""

from __future__ import annotations

import cv2
import numpy as np

from mobilevos.engines.engine import Array

__all__ = ["soft_aggregate", "sum_of_others"]

_SATURATED = 40.0
"""Beyond this logit a pixel's background is 0 or 1 in float32, whatever the other objects say."""


def soft_aggregate(logits: Array) -> Array:
    """Soft aggregation (STM, Oh et al., ICCV 2019, equation 6), in logit space.

    The background's probability is `P = prod_i(1 - sigmoid(x_i))` and its logit `log(P / (1 - P))`; a softmax
    over the background and the objects follows. There is no clamp of the probabilities: the result is finite
    and exact to float32 for every finite logit.

    Args:
        logits: `[O, 1, H, W]`, finite.

    Returns:
        Probabilities `[O+1, H, W]` in 0..1, the background first; all background where there is no object.
    """
    objects, _, height, width = logits.shape
    planes = np.ascontiguousarray(logits[:, 0], dtype=np.float32)
    probabilities = np.empty((objects + 1, height, width), np.float32)
    if objects == 0:
        probabilities.fill(1)
    elif objects == 1:
        _aggregate_one(planes[0], probabilities)
    else:
        _aggregate_several(planes, probabilities)
    return probabilities


def _aggregate_one(logit: Array, out: Array) -> None:
    """The softmax over `[-x, x]`, which is `sigmoid(2x)`: a quarter of the general way's time."""
    background, foreground = out
    np.multiply(logit, -2, out=foreground)
    np.minimum(foreground, 2 * _SATURATED, out=foreground)
    cv2.exp(foreground, dst=foreground)
    foreground += 1
    np.reciprocal(foreground, out=foreground)
    np.subtract(1, foreground, out=background)


def _aggregate_several(logits: Array, out: Array) -> None:
    background, foreground = out[0], out[1:]
    _background_logit(logits, background)
    highest = background.copy()
    for logit in logits:
        np.maximum(highest, logit, out=highest)
    np.subtract(background, highest, out=background)
    np.subtract(logits, highest, out=foreground)
    total = np.zeros_like(highest)
    for plane in out:
        cv2.exp(plane, dst=plane)
        total += plane
    out /= total


def _background_logit(logits: Array, out: Array) -> None:
    """Writes `log(P / (1 - P))`, where `1/P = prod_i(1 + exp(x_i))`.

    So it is `-log(z)` for `z = prod_i(1 + exp(x_i)) - 1`, which the recurrence `z <- z + e + z*e` sums from
    positive terms alone: nothing cancels, near 0 either. The bounds keep float32 from overflowing and change
    no probability: beyond them the background's is 0 or 1 already.
    """
    odds = np.zeros_like(out)
    exponential = np.empty_like(out)
    for logit in logits:
        np.clip(logit, -_SATURATED, _SATURATED, out=exponential)
        cv2.exp(exponential, dst=exponential)
        np.multiply(odds, exponential, out=out)
        odds += exponential
        odds += out
        np.minimum(odds, np.exp(np.float32(_SATURATED)), out=odds)
    cv2.log(odds, dst=out)
    np.negative(out, out=out)


def sum_of_others(probabilities: Array) -> Array:
    """For each object the sum of the other objects' probabilities, as the memory encoder takes it.

    Args:
        probabilities: `[O+1, H, W]` in 0..1, the background first.

    Returns:
        `[O, 1, H, W]`, at least 0; zeros for a single object.
    """
    objects = probabilities[1:, None]
    others: Array = objects.sum(axis=0) - objects  # never below 0: a rounded sum is at least each of its terms
    return others
