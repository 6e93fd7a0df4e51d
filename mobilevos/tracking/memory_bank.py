"""The memory bank: which past frames a step can read, in buffers that never move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mobilevos.contract import EMPTY_BIAS
from mobilevos.engines.engine import Array
from mobilevos.errors import InputError

__all__ = ["FIRST_AND_LATEST", "POLICIES", "UNBOUNDED", "MemoryBank", "MemoryPolicy", "bank_capacity"]


@dataclass(frozen=True)
class MemoryPolicy:
    """Which memorised frames are kept: the first and the `recent` latest, in a ring.

    The first frame carries the mask that the user gave, so it is never overwritten. The order of the slots
    has no meaning: a memory read is a sum over them.

    Attributes:
        recent: Frames kept beside the first, at least 1; None keeps every frame.

    Raises:
        InputError: `recent` is below 1.
    """

    recent: int | None

    def __post_init__(self) -> None:
        if self.recent is not None and self.recent < 1:
            raise InputError("cannot use the memory policy", expected="recent >= 1", found=str(self.recent))

    @property
    def capacity(self) -> int | None:
        """Frames that it keeps at most; None for no bound."""
        return None if self.recent is None else 1 + self.recent

    def slot(self, written: int) -> int:
        """The slot that the next frame goes to, after `written` frames were written."""
        if written == 0 or self.recent is None:
            return written
        return 1 + (written - 1) % self.recent


FIRST_AND_LATEST = MemoryPolicy(recent=1)
"""The paper's queue of two frames (MobileVOS, Miles et al., CVPR 2023, section 3)."""

UNBOUNDED = MemoryPolicy(recent=None)
"""Every memorised frame, as in STCN: for teachers and short clips, memory grows with the video."""

POLICIES = {"bounded": FIRST_AND_LATEST, "unbounded": UNBOUNDED}
"""By the names that commands and configurations use."""


def bank_capacity(memory_frames: int | None, policy: MemoryPolicy) -> int | None:
    """Frames that a bank has room for; None for no bound.

    Args:
        memory_frames: The one capacity that the engine takes, or None for any.
        policy: What is to be kept. Where it keeps fewer frames than that, the rest of the bank stays empty.

    Raises:
        InputError: The policy keeps more frames than the engine takes.
    """
    if memory_frames is None:
        return policy.capacity
    if policy.capacity is None or policy.capacity > memory_frames:
        needed = "every memorised frame" if policy.capacity is None else f"{policy.capacity} memory frames"
        raise InputError(
            "the memory policy does not fit the engine",
            expected=f"a policy that keeps at most {memory_frames} memory frames",
            found=f"one that keeps {needed}",
            remedy="choose a smaller policy, or export for more memory frames",
        )
    return memory_frames


class MemoryBank:
    """Memory keys and values of one group of objects, in C-contiguous float32 buffers.

    The first write allocates the buffers. A bounded bank writes in place from then on and hands out the whole
    buffers, with every empty row zero but for the last key channel, which holds `contract.EMPTY_BIAS` and
    takes the row out of the softmax. An unbounded bank doubles its buffers when they are full and hands out
    views of the rows that are filled; for several objects, such a view of the values is not contiguous.

    Args:
        capacity: Frames to have room for, e.g. `EngineInfo.memory_frames`; None for what the policy keeps.
        policy: Which frames are kept.

    Raises:
        InputError: The policy keeps more than `capacity` frames.
    """

    def __init__(self, capacity: int | None, policy: MemoryPolicy) -> None:
        self._capacity = bank_capacity(capacity, policy)
        self._policy = policy
        self._written = 0
        self._positions = 0
        self._keys = np.empty((0, 0), np.float32)
        self._values = np.empty((0, 0, 0), np.float32)

    def __len__(self) -> int:
        """Frames held."""
        kept = self._policy.capacity
        return self._written if kept is None else min(self._written, kept)

    @property
    def keys(self) -> Array:
        """Memory keys `[T*h*w, Ck+1]`, valid until the next write; without rows before the first."""
        return self._keys if self._capacity is not None else self._keys[: len(self) * self._positions]

    @property
    def values(self) -> Array:
        """Memory values `[O, T*h*w, Cv]`, valid until the next write; without rows before the first."""
        return self._values if self._capacity is not None else self._values[:, : len(self) * self._positions]

    def write(self, memory_key: Array, memory_value: Array) -> None:
        """Memorises one frame in the slot that the policy says.

        Args:
            memory_key: `[h*w, Ck+1]`, of the same shape at every write.
            memory_value: `[O, h*w, Cv]`, of the same shape at every write.
        """
        slot = self._policy.slot(self._written)
        if self._written == 0:
            self._positions = len(memory_key)
            self._reserve(self._capacity or 1, memory_key.shape[1], memory_value.shape[0], memory_value.shape[2])
        elif self._capacity is None and slot * self._positions == len(self._keys):
            self._double()
        rows = slice(slot * self._positions, (slot + 1) * self._positions)
        self._keys[rows] = memory_key
        self._values[:, rows] = memory_value
        self._written += 1

    def remove(self, index: int) -> None:
        """Forgets object `index`; the objects after it move up by one."""
        self._values = np.delete(self._values, index, axis=0)

    def _reserve(self, frames: int, key_channels: int, objects: int, value_channels: int) -> None:
        rows = frames * self._positions
        self._keys = np.zeros((rows, key_channels), np.float32)
        self._keys[:, -1] = EMPTY_BIAS
        self._values = np.zeros((objects, rows, value_channels), np.float32)

    def _double(self) -> None:
        keys, values = self._keys, self._values
        filled = len(keys)
        self._reserve(2 * filled // self._positions, keys.shape[1], values.shape[0], values.shape[2])
        self._keys[:filled] = keys
        self._values[:, :filled] = values
