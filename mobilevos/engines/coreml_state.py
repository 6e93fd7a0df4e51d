"""What a stateful step must be told so that its state holds the loop's memory bank."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mobilevos.contract import EMPTY_BIAS, Dimensions
from mobilevos.engines.engine import Array

__all__ = ["KeptBank", "Update"]


@dataclass(frozen=True)
class Update:
    """What makes a state hold a bank.

    Attributes:
        fresh: Whether a new state must take the place of the old one, which holds a slot that is empty in the bank.
        slots: To be written, ascending.
    """

    fresh: bool
    slots: tuple[int, ...]


class KeptBank:
    """A copy of what was written into a state, to tell what of a bank is new.

    The loop hands over the whole bank at every step, of which at most one slot changed since the last. A slot whose
    every row has `EMPTY_BIAS` in its last channel is empty, and is never written: in a fresh state it is empty already.

    The program writes by a sum of products with 0 and 1. So rows that float16 does not hold stay in a state for good,
    and spread to the other slots: after them every update asks for a fresh one.

    Args:
        dimensions: Of the program.
    """

    def __init__(self, dimensions: Dimensions) -> None:
        self._dimensions = dimensions
        self.forget()

    def forget(self) -> None:
        """Whatever the state holds counts for nothing from now on: the next update asks for a fresh one."""
        self._written: dict[int, tuple[Array, Array]] | None = None

    def update(self, memory_keys: Array, memory_values: Array) -> Update:
        """What to do to the state for it to hold a bank; takes for granted that it is done.

        Args:
            memory_keys: `[T*h*w, Ck+1]`.
            memory_values: `[O, T*h*w, Cv]`.
        """
        filled = [slot for slot in range(self._dimensions.memory_frames) if self._is_filled(memory_keys, slot)]
        written = self._written
        fresh = written is None or not written.keys() <= set(filled)
        if fresh or written is None:
            written = {}
        slots = tuple(slot for slot in filled if not self._holds(written.get(slot), memory_keys, memory_values, slot))
        for slot in slots:
            key, value = self.rows(memory_keys, memory_values, slot)
            written[slot] = key.copy(), value.copy()
        sound = all(_fits_float16(one) for slot in slots for one in written[slot])
        self._written = written if sound else None
        return Update(fresh, slots)

    def rows(self, memory_keys: Array, memory_values: Array, slot: int) -> tuple[Array, Array]:
        """A slot's rows of a bank, `[h*w, Ck+1]` and `[O, h*w, Cv]`, as views."""
        positions = self._dimensions.positions
        rows = slice(slot * positions, (slot + 1) * positions)
        return memory_keys[rows], memory_values[:, rows]

    def _is_filled(self, memory_keys: Array, slot: int) -> bool:
        positions = self._dimensions.positions
        return bool((memory_keys[slot * positions : (slot + 1) * positions, -1] != EMPTY_BIAS).any())

    def _holds(self, written: tuple[Array, Array] | None, memory_keys: Array, memory_values: Array, slot: int) -> bool:
        pairs = zip(written or (), self.rows(memory_keys, memory_values, slot), strict=False)
        return written is not None and all(np.array_equal(old, new) for old, new in pairs)


def _fits_float16(array: Array) -> bool:
    return bool(np.abs(array).max() <= np.finfo(np.float16).max)  # False where one is not a number
