"""The PyTorch reference: the network as it was trained, behind the engine protocol."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mobilevos.engines.engine import Array, Engine, EngineInfo, Query
from mobilevos.model.encoders import QueryFeatures
from mobilevos.model.memory_read import memory_rows, read_rows
from mobilevos.model.network import MemoryNetwork

__all__ = ["EagerEngine"]


class EagerEngine(Engine):
    """Runs a network in PyTorch, in float32 and channels-last. Takes any size, memory and number of objects.

    The memory is read in the export form, the same sums in the same order as in an exported program.

    Args:
        network: A student or the light teacher.
        threads: CPU threads, for the whole process; None leaves them as they are.
        device: Where the network runs.
    """

    def __init__(self, network: MemoryNetwork, *, threads: int | None = None, device: str = "cpu") -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self._device = torch.device(device)
        self._network = network.eval().to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        config = network.config
        self._info = EngineInfo(
            name="eager-fp32",
            key_channels=config.key_channels,
            value_channels=config.value_channels,
            input_size=None,
            memory_frames=None,
            objects=None,
            versions={"torch": torch.__version__},
        )

    @property
    def info(self) -> EngineInfo:
        """Facts of this engine."""
        return self._info

    @torch.inference_mode()
    def encode_query(self, image: Array) -> Query:
        """See `Engine.encode_query`."""
        frame = self._tensor(image).contiguous(memory_format=torch.channels_last)
        return Query(*(feature.cpu().numpy() for feature in self._network.encode_query(frame)))

    @torch.inference_mode()
    def encode_memory(self, query: Query, masks: Array, others: Array) -> tuple[Array, Array]:
        """See `Engine.encode_memory`."""
        value = self._network.memory_encoder(
            self._tensor(query.feature16),
            self._tensor(query.feature8),
            self._tensor(masks),
            self._tensor(others),
        )
        rows = value.flatten(2).transpose(1, 2).contiguous()
        return memory_rows(self._tensor(query.key)).cpu().numpy(), rows.cpu().numpy()

    @torch.inference_mode()
    def read_memory(self, query: Query, memory_keys: Array, memory_values: Array) -> Array:
        """See `Engine.read_memory`."""
        key, keys, values = (self._tensor(array) for array in (query.key, memory_keys, memory_values))
        return _array(read_rows(key, keys, values, self._network.config.top_k))

    @torch.inference_mode()
    def decode(self, readout: Array, query: Query) -> Array:
        """See `Engine.decode`."""
        assert query.feature4 is not None, "a fused step keeps feature4 inside, and decodes by itself"
        features = (query.key, query.feature16, query.feature8, query.feature4)
        return _array(self._network.decode(self._tensor(readout), QueryFeatures(*(self._tensor(f) for f in features))))

    def _tensor(self, array: Array) -> Tensor:
        if min(array.strides, default=0) < 0:  # which PyTorch does not know; any others are taken as they are
            array = np.ascontiguousarray(array)
        return torch.from_numpy(array).to(self._device)


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.cpu().numpy()
    return array
