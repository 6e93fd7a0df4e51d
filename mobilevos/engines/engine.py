"""The protocol between the tracking loop and whatever runs the network.

An engine is four calls on numpy arrays, shaped as `mobilevos.contract` says, plus the fused `segment`, which
an engine overrides where its runtime has one program for it. No torch here: an engine process need not load it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Engine", "EngineInfo", "Query"]

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Query:
    """What the query encoder gives for one frame.

    Attributes:
        key: `[1, Ck, h, w]`.
        feature16: `[1, C16, h, w]`.
        feature8: `[1, C8, 2h, 2w]`.
        feature4: `[1, C4, 4h, 4w]`; None after a fused step, which keeps it inside.
    """

    key: Array
    feature16: Array
    feature8: Array
    feature4: Array | None


@dataclass(frozen=True)
class EngineInfo:
    """What the tracking loop must know of an engine.

    Attributes:
        name: Runtime and precision, e.g. `executorch-fp32`.
        key_channels: Ck.
        value_channels: Cv.
        input_size: The one padded frame size `(H, W)` it takes, or None for any multiple of 16.
        memory_frames: The one memory capacity T it takes, or None for any.
        objects: Objects per call O, or None for any; the engine itself splits a larger number.
        versions: Names and versions of the runtime's parts.
    """

    name: str
    key_channels: int
    value_channels: int
    input_size: tuple[int, int] | None
    memory_frames: int | None
    objects: int | None
    versions: dict[str, str]


class Engine(ABC):
    """A runtime with the network in it."""

    @property
    @abstractmethod
    def info(self) -> EngineInfo:
        """Fixed facts of this engine."""

    @abstractmethod
    def encode_query(self, image: Array) -> Query:
        """Encodes a padded frame `[1, 3, H, W]`, RGB in 0..1."""

    @abstractmethod
    def encode_memory(self, query: Query, masks: Array, others: Array) -> tuple[Array, Array]:
        """Makes one frame's bank rows.

        Args:
            query: Of the same frame.
            masks: `[O, 1, H, W]`, each object's probability in 0..1.
            others: `[O, 1, H, W]`, the sum of the other objects' probabilities.

        Returns:
            Memory key `[h*w, Ck+1]` and values `[O, h*w, Cv]`.
        """

    @abstractmethod
    def read_memory(self, query: Query, memory_keys: Array, memory_values: Array) -> Array:
        """Reads `memory_keys [N, Ck+1]` and `memory_values [O, N, Cv]`; gives the readout `[O, Cv, h, w]`."""

    @abstractmethod
    def decode(self, readout: Array, query: Query) -> Array:
        """Mask logits `[O, 1, H, W]`, one independent logit per object."""

    def segment(self, image: Array, memory_keys: Array, memory_values: Array) -> tuple[Array, Query]:
        """One tracking step on the frame `image`: its logits `[O, 1, H, W]` and its query, for memorising."""
        query = self.encode_query(image)
        return self.decode(self.read_memory(query, memory_keys, memory_values), query), query

    def describe(self) -> dict[str, Any]:
        """Facts for reports: name and versions."""
        return {"engine": self.info.name, "versions": self.info.versions}
