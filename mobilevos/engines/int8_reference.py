"""PyTorch's int8 reference: what every runtime is to compute, from a checkpoint that holds ranges."""

from __future__ import annotations

from pathlib import Path

import torch

from mobilevos.engines.engine import Array, Engine, EngineInfo, Query
from mobilevos.errors import InputError
from mobilevos.model.checkpoint import load_network
from mobilevos.model.memory_read import read_rows
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.component_engine import ComponentEngine
from mobilevos.quantization.program import quantize
from mobilevos.quantization.stored import StoredQuantization, load_stored

__all__ = ["Int8ReferenceEngine", "open_int8_reference"]


class Int8ReferenceEngine(Engine):
    """Runs a network's quantized programs, in float arithmetic that rounds where integers would.

    Programs are for one frame size; they are made when the first frame of a size comes, which takes some seconds. Any
    memory and number of objects will do.

    Args:
        network: A student.
        quantization: Its ranges.
        threads: CPU threads, for the whole process; None leaves them as they are.
    """

    def __init__(self, network: MemoryNetwork, quantization: StoredQuantization, *, threads: int | None = None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self._network, self._quantization = network, quantization
        self._sizes: dict[tuple[int, int], ComponentEngine] = {}
        self._info = EngineInfo(
            name="int8-reference",
            key_channels=network.config.key_channels,
            value_channels=network.config.value_channels,
            input_size=None,
            memory_frames=None,
            objects=None,
            versions={"torch": torch.__version__},
        )

    @property
    def info(self) -> EngineInfo:
        """Facts of this engine."""
        return self._info

    def encode_query(self, image: Array) -> Query:
        """See `Engine.encode_query`."""
        return self._at(image.shape[2], image.shape[3]).encode_query(image)

    def encode_memory(self, query: Query, masks: Array, others: Array) -> tuple[Array, Array]:
        """See `Engine.encode_memory`."""
        return self._at(masks.shape[2], masks.shape[3]).encode_memory(query, masks, others)

    @torch.inference_mode()
    def read_memory(self, query: Query, memory_keys: Array, memory_values: Array) -> Array:
        """See `Engine.read_memory`; in float, as the specification says."""
        key, keys, values = map(torch.from_numpy, (query.key, memory_keys, memory_values))
        readout: Array = read_rows(key, keys, values).numpy()
        return readout

    def decode(self, readout: Array, query: Query) -> Array:
        """See `Engine.decode`."""
        assert query.feature4 is not None
        return self._at(4 * query.feature4.shape[2], 4 * query.feature4.shape[3]).decode(readout, query)

    def _at(self, height: int, width: int) -> ComponentEngine:
        if (height, width) not in self._sizes:
            dimensions = self._network.dimensions(height, width, memory_frames=2, objects=1)
            stored = self._quantization
            names = ("encode_query", "encode_memory", "decode")
            quantized = quantize(self._network, dimensions, stored.specification, stored.ranges, names)
            self._sizes[height, width] = ComponentEngine(quantized.programs, dimensions, self._info.name)
        return self._sizes[height, width]


def open_int8_reference(checkpoint: Path, threads: int | None = None) -> Int8ReferenceEngine:
    """The engine of a checkpoint.

    Raises:
        InputError: It is no checkpoint, holds no ranges, or ExecuTorch, whose quantizer is used, is not installed.
    """
    stored = load_stored(checkpoint)
    if stored is None:
        raise InputError(
            f"{checkpoint} was not trained for quantization",
            expected="a checkpoint with ranges",
            remedy="mobilevos train stage=qat, or mobilevos calibrate for ranges without training",
        )
    return Int8ReferenceEngine(load_network(checkpoint), stored, threads=threads)
