"""An engine over the components of the contract as PyTorch modules: with observers in them, or quantized."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from mobilevos.contract import Dimensions
from mobilevos.engines.engine import Array, Engine, EngineInfo, Query
from mobilevos.errors import InputError

__all__ = ["ComponentEngine"]


class ComponentEngine(Engine):
    """Runs one module per component, one object in a call. A fused step is run as its components.

    Args:
        components: `encode_query`, `encode_memory`, `read_memory` and `decode`, for one object.
        dimensions: That they were exported for.
        name: Of the engine, for reports.

    Raises:
        InputError: The dimensions are for several objects.
    """

    def __init__(self, components: Mapping[str, nn.Module], dimensions: Dimensions, name: str) -> None:
        if dimensions.objects != 1:
            raise InputError("components to run here", expected="one object", found=f"{dimensions.objects} objects")
        self._components = components
        self._info = EngineInfo(
            name=name,
            key_channels=dimensions.key_channels,
            value_channels=dimensions.value_channels,
            input_size=(dimensions.height, dimensions.width),
            memory_frames=dimensions.memory_frames,
            objects=None,
            versions={"torch": torch.__version__},
        )

    @property
    def info(self) -> EngineInfo:
        """Facts of this engine."""
        return self._info

    def encode_query(self, image: Array) -> Query:
        """See `Engine.encode_query`."""
        return Query(*self._call("encode_query", image))

    def encode_memory(self, query: Query, masks: Array, others: Array) -> tuple[Array, Array]:
        """See `Engine.encode_memory`."""
        features = (query.key, query.feature16, query.feature8)
        parts = [self._call("encode_memory", *features, *one) for one in _each(masks, others)]
        return parts[0][0], np.concatenate([values for _, values in parts])

    def read_memory(self, query: Query, memory_keys: Array, memory_values: Array) -> Array:
        """See `Engine.read_memory`."""
        parts = [self._call("read_memory", query.key, memory_keys, *one)[0] for one in _each(memory_values)]
        return np.concatenate(parts)

    def decode(self, readout: Array, query: Query) -> Array:
        """See `Engine.decode`."""
        assert query.feature4 is not None
        features = (query.feature16, query.feature8, query.feature4)
        return np.concatenate([self._call("decode", *one, *features)[0] for one in _each(readout)])

    @torch.no_grad()
    def _call(self, component: str, *inputs: Array) -> tuple[Array, ...]:
        outputs = self._components[component](*(torch.from_numpy(np.ascontiguousarray(array)) for array in inputs))
        return tuple(output.numpy() for output in (outputs if isinstance(outputs, tuple) else (outputs,)))


def _each(*arrays: Array) -> list[tuple[Array, ...]]:
    """Arrays `[O, ...]` as those of one object each, `[1, ...]`."""
    return [tuple(array[i : i + 1] for array in arrays) for i in range(len(arrays[0]))]
