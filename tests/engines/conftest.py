"""Every engine on the same weights, and a slow plain reference to hold them against."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mobilevos.bundle import Bundle
from mobilevos.contract import EMPTY_BIAS, Dimensions
from mobilevos.engines import BUNDLE_ENGINES, engine_class
from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.engine import Array, Engine, EngineInfo, Query
from mobilevos.model.checkpoint import load_network
from mobilevos.model.encoders import QueryFeatures
from mobilevos.model.network import MemoryNetwork


class PlainEngine(Engine):
    """The network as it is trained, in float64: its own methods, batched memory read, empty rows left out."""

    def __init__(self, network: MemoryNetwork) -> None:
        self._network = copy.deepcopy(network).double().eval()
        config = network.config
        self._info = EngineInfo("plain", config.key_channels, config.value_channels, None, None, None, {})

    @property
    def info(self) -> EngineInfo:
        return self._info

    @torch.no_grad()
    def encode_query(self, image: Array) -> Query:
        return Query(*map(_array, self._network.encode_query(_tensor(image))))

    @torch.no_grad()
    def encode_memory(self, query: Query, masks: Array, others: Array) -> tuple[Array, Array]:
        key = _tensor(query.key)[0].flatten(1)  # [Ck, h*w]
        rows = torch.cat([2 * key, -key.square().sum(0, keepdim=True)]).T / len(key) ** 0.5
        value = self._network.encode_memory(_features(query), _tensor(masks), _tensor(others))
        return _array(rows), _array(value.flatten(2).transpose(1, 2))

    @torch.no_grad()
    def read_memory(self, query: Query, memory_keys: Array, memory_values: Array) -> Array:
        h, w = query.key.shape[2:]
        filled = memory_keys[:, -1] != EMPTY_BIAS
        channels = self.info.key_channels
        key = _tensor(memory_keys[filled, :-1]).T[None] * channels**0.5 / 2  # [1, Ck, N]
        value = _tensor(memory_values[:, filled]).transpose(1, 2)[None]  # [1, O, Cv, N]
        readout = self._network.read_memory(
            _tensor(query.key), key.unflatten(-1, (-1, h, w)), value.unflatten(-1, (-1, h, w))
        )
        return _array(readout)

    @torch.no_grad()
    def decode(self, readout: Array, query: Query) -> Array:
        return _array(self._network.decode(_tensor(readout), _features(query)))


def _features(query: Query) -> QueryFeatures:
    feature4 = np.zeros((1, 1, 1, 1), np.float32) if query.feature4 is None else query.feature4
    return QueryFeatures(*map(_tensor, (query.key, query.feature16, query.feature8, feature4)))


def _tensor(array: Array) -> Tensor:
    return torch.from_numpy(np.array(array, np.float64))


def _array(tensor: Tensor) -> Array:
    return tensor.numpy().astype(np.float32)


@pytest.fixture(scope="session")
def dimensions() -> Dimensions:
    """Of the bundles."""
    return Dimensions(64, 96, 2, 1, 64, 96, (96, 32, 24))


@pytest.fixture(scope="session")
def plain(random_checkpoint: Path) -> Engine:
    """The reference."""
    return PlainEngine(load_network(random_checkpoint))


def _engines() -> Iterator[Any]:
    """Every engine; those that run bundles with a fused step and as components."""
    yield "eager"
    for name in BUNDLE_ENGINES:
        extra = engine_class(name).runtime.extra
        marks = [getattr(pytest.mark, extra)] if extra else []
        yield pytest.param(name, marks=marks)
        yield pytest.param(f"{name}-unfused", marks=marks)


@pytest.fixture(scope="session", params=_engines())
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn."""
    if request.param == "eager":
        return EagerEngine(load_network(request.getfixturevalue("random_checkpoint")))
    name = request.param.removesuffix("-unfused")
    bundle = request.getfixturevalue("bundle_of")(engine_class(name).runtime.target)
    return engine_class(name)(Bundle.open(bundle), fused=name == request.param)
