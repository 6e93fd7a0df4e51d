"""Masks that the user gives: checked, listed, and laid over a prediction as the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobilevos.engines.engine import Array
from mobilevos.errors import InputError

__all__ = ["check_mask", "impose", "object_ids"]

_LARGEST_ID = int(np.iinfo(np.uint16).max)


def check_mask(mask: NDArray[Any], frame_size: tuple[int, int]) -> NDArray[np.uint16]:
    """A given mask as uint16 object ids `[H, W]`, 0 for background.

    Args:
        mask: `[H, W]`, of integers in 0..65535 or bool.
        frame_size: Height and width of the frame, in pixels, which the mask must have.

    Raises:
        InputError: It is of another size, shape or type, or holds an id out of range.
    """
    if mask.shape != frame_size:
        found, expected = "x".join(map(str, mask.shape)), "x".join(map(str, frame_size))
        raise InputError(
            "the mask is not of its frame's size",
            expected=f"{expected} (height x width)",
            found=found,
            remedy="give one object id a pixel, at the video's own size",
        )
    if mask.dtype.kind not in "bui":
        raise InputError("cannot use the mask", expected="integer object ids", found=str(mask.dtype))
    low, high = int(mask.min()), int(mask.max())
    if low < 0 or high > _LARGEST_ID:
        expected, found = f"object ids in 0..{_LARGEST_ID}", f"{low}..{high}"
        raise InputError("cannot use the mask", expected=expected, found=found)
    return mask.astype(np.uint16, order="C")


def object_ids(mask: NDArray[np.uint16]) -> tuple[int, ...]:
    """Ids that occur in a mask, ascending, without the background's 0."""
    return tuple(int(value) for value in np.flatnonzero(np.bincount(mask.ravel())) if value)


def impose(mask: NDArray[np.uint16], ids: Sequence[int], predicted_ids: Sequence[int], predicted: Array) -> Array:
    """Lays a given mask over a prediction.

    In the mask's objects it is the truth. Elsewhere the objects that it does not hold keep their prediction.

    Args:
        mask: Object ids `[H, W]`.
        ids: Every object, in the order of the result. Those that were not predicted are the given ones.
        predicted_ids: The objects that were predicted, none of them in the mask.
        predicted: Their probabilities `[P+1, H, W]`, the background first.

    Returns:
        Probabilities `[O+1, H, W]`, the background first; they sum to one where `predicted` does.
    """
    free = mask == 0
    rows = {object_id: row for row, object_id in enumerate(predicted_ids, start=1)}
    imposed = np.empty((len(ids) + 1, *mask.shape), np.float32)
    np.multiply(predicted[0], free, out=imposed[0])
    for object_id, plane in zip(ids, imposed[1:], strict=True):
        if object_id in rows:
            np.multiply(predicted[rows[object_id]], free, out=plane)
        else:
            np.equal(mask, object_id, out=plane, casting="unsafe")
    return imposed
