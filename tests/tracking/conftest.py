"""A small engine that really tracks: blocks of 16x16 pixels are matched by their mean colour."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from mobilevos.contract import STRIDE
from mobilevos.engines.engine import Array, Engine, EngineInfo, Query

COLOURS = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1))
"""The objects'. Each is nearer to the grey background than to another, so a stranger is background."""

KEY_CHANNELS, VALUE_CHANNELS = 3, 2
SHARPNESS = 20.0
CONFIDENCE = 40.0


def block_means(planes: Array) -> Array:
    """Means over blocks of 16x16: `[B, C, H, W]` to `[B, C, h, w]`."""
    batch, channels, height, width = planes.shape
    blocks = planes.reshape(batch, channels, height // STRIDE, STRIDE, width // STRIDE, STRIDE)
    return blocks.mean(axis=(3, 5), dtype=np.float32)


def check(array: Array, *shape: int | None) -> None:
    """What an engine may rely on: float32, C order, the contract's shape."""
    assert array.dtype == np.float32
    assert array.flags.c_contiguous
    assert len(array.shape) == len(shape)
    assert all(wanted in (None, size) for size, wanted in zip(array.shape, shape, strict=True))


class ColourEngine(Engine):
    """Key: mean colour of a block. Value: means of its mask and of the other masks. Maths: the contract's.

    It refuses what the contract forbids, and keeps a record of its calls.
    """

    def __init__(
        self,
        input_size: tuple[int, int] | None = None,
        memory_frames: int | None = None,
        objects: int | None = None,
    ) -> None:
        self.calls: list[str] = []
        self.images: list[Array] = []
        self.memorised: list[tuple[Array, Array]] = []
        self.banks: set[tuple[object, ...]] = set()
        self._info = EngineInfo(
            "colour",
            KEY_CHANNELS,
            VALUE_CHANNELS,
            input_size,
            memory_frames,
            objects,
            {"numpy": np.__version__},
        )

    @property
    def info(self) -> EngineInfo:
        return self._info

    def encode_query(self, image: Array) -> Query:
        self.calls.append("encode_query")
        return self._encode(image)

    def encode_memory(self, query: Query, masks: Array, others: Array) -> tuple[Array, Array]:
        self.calls.append("encode_memory")
        height, width = (STRIDE * side for side in query.key.shape[2:])
        check(masks, None, 1, height, width)
        check(others, len(masks), 1, height, width)
        assert 0 <= min(masks.min(), others.min()) <= max(masks.max(), others.max()) <= 1 + 1e-6
        self.memorised.append((masks.copy(), others.copy()))
        k = query.key[0].reshape(KEY_CHANNELS, -1).T
        key = np.hstack([2 * k, -(k**2).sum(axis=1, keepdims=True)]) / np.float32(np.sqrt(KEY_CHANNELS))
        value = block_means(np.concatenate([masks, others], axis=1))
        value = value.reshape(len(masks), VALUE_CHANNELS, -1).transpose(0, 2, 1)
        return np.ascontiguousarray(key), np.ascontiguousarray(value)

    def read_memory(self, query: Query, memory_keys: Array, memory_values: Array) -> Array:
        self.calls.append("read_memory")
        return self._read(query, memory_keys, memory_values)

    def decode(self, readout: Array, query: Query) -> Array:
        self.calls.append("decode")
        assert query.feature4 is not None
        return self._decode(readout)

    def segment(self, image: Array, memory_keys: Array, memory_values: Array) -> tuple[Array, Query]:
        self.calls.append("segment")
        query = self._encode(image)
        logits = self._decode(self._read(query, memory_keys, memory_values))
        return logits, Query(query.key, query.feature16, query.feature8, None)

    def _encode(self, image: Array) -> Query:
        check(image, 1, 3, *(self.info.input_size or (None, None)))
        self.images.append(image.copy())
        means = block_means(image)
        return Query(means * np.float32(SHARPNESS), means, means, means)

    def _read(self, query: Query, keys: Array, values: Array) -> Array:
        height, width = query.key.shape[2:]
        frames = self.info.memory_frames
        rows = None if frames is None else frames * height * width
        check(keys, rows, KEY_CHANNELS + 1)
        if frames is not None:
            check(values, None, rows, VALUE_CHANNELS)
        addresses = (buffer.__array_interface__["data"][0] for buffer in (keys, values))
        self.banks.add((*addresses, keys.shape, values.shape))
        q = np.vstack([query.key[0].reshape(KEY_CHANNELS, -1), np.ones((1, height * width), np.float32)])
        affinity = q.T @ keys.T
        weights = np.exp(affinity - affinity.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        readout = (weights @ values).transpose(0, 2, 1)
        return np.ascontiguousarray(readout.reshape(len(values), VALUE_CHANNELS, height, width))

    def _decode(self, readout: Array) -> Array:
        logits = (readout[:, :1] - np.float32(0.5)) * np.float32(CONFIDENCE)
        return logits.repeat(STRIDE, axis=2).repeat(STRIDE, axis=3)


Paint = Callable[..., tuple[NDArray[np.uint8], NDArray[np.uint16]]]


@pytest.fixture(scope="session")
def colour_engine() -> type[ColourEngine]:
    """The engine's class."""
    return ColourEngine


@pytest.fixture(scope="session")
def paint() -> Paint:
    """Paints a frame `[H, W, 3]` and its exact mask `[H, W]`: one block for each object, on grey.

    Takes the place `(row, column)` of each object id, in blocks, and the size in blocks. The n-th id of
    `order`, by default of the places, has the n-th colour.
    """

    def painted(
        places: Mapping[int, tuple[int, int]], size: tuple[int, int] = (3, 4), order: tuple[int, ...] = ()
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        frame = np.full((STRIDE * size[0], STRIDE * size[1], 3), 128, np.uint8)
        mask = np.zeros(frame.shape[:2], np.uint16)
        for object_id, (row, column) in places.items():
            block = np.s_[STRIDE * row : STRIDE * (row + 1), STRIDE * column : STRIDE * (column + 1)]
            frame[block] = 255 * np.array(COLOURS[(order or tuple(places)).index(object_id)])
            mask[block] = object_id
        return frame, mask

    return painted
