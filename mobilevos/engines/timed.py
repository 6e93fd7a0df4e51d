"""An engine with a stopwatch: what each component costs inside the real loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any, TypeVar

import numpy as np

from mobilevos.contract import COMPONENTS
from mobilevos.engines.engine import Array, Engine, EngineInfo, Query

__all__ = ["TimedEngine", "Timing"]

Result = TypeVar("Result")


@dataclass(frozen=True)
class Timing:
    """A component's calls, in milliseconds of wall-clock time.

    Attributes:
        calls: Number of calls.
        mean: Mean of a call.
        p50: Median.
        p90: 90th percentile.
        p99: 99th percentile.
    """

    calls: int
    mean: float
    p50: float
    p90: float
    p99: float


class TimedEngine(Engine):
    """Passes every call on to another engine and records how long it took.

    Args:
        engine: The engine to time.

    Attributes:
        timings: Milliseconds of each call, in order, by component. A fused step counts as `segment` alone.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.timings: dict[str, list[float]] = {component: [] for component in COMPONENTS}

    @property
    def info(self) -> EngineInfo:
        """The timed engine's own facts."""
        return self._engine.info

    def encode_query(self, image: Array) -> Query:
        """As the timed engine's."""
        return self._timed("encode_query", lambda: self._engine.encode_query(image))

    def encode_memory(self, query: Query, masks: Array, others: Array) -> tuple[Array, Array]:
        """As the timed engine's."""
        return self._timed("encode_memory", lambda: self._engine.encode_memory(query, masks, others))

    def read_memory(self, query: Query, memory_keys: Array, memory_values: Array) -> Array:
        """As the timed engine's."""
        return self._timed("read_memory", lambda: self._engine.read_memory(query, memory_keys, memory_values))

    def decode(self, readout: Array, query: Query) -> Array:
        """As the timed engine's."""
        return self._timed("decode", lambda: self._engine.decode(readout, query))

    def segment(self, image: Array, memory_keys: Array, memory_values: Array) -> tuple[Array, Query]:
        """As the timed engine's."""
        return self._timed("segment", lambda: self._engine.segment(image, memory_keys, memory_values))

    def describe(self) -> dict[str, Any]:
        """As the timed engine's."""
        return self._engine.describe()

    def summary(self, warm_up: int = 0) -> dict[str, Timing]:
        """Statistics of each component that was called.

        Args:
            warm_up: First calls of each component to leave out: they pay for allocation and set-up.
        """
        kept = {component: times[warm_up:] for component, times in self.timings.items()}
        return {component: _statistics(times) for component, times in kept.items() if times}

    def _timed(self, component: str, call: Callable[[], Result]) -> Result:
        start = perf_counter_ns()
        result = call()
        self.timings[component].append((perf_counter_ns() - start) / 1e6)
        return result


def _statistics(times: list[float]) -> Timing:
    p50, p90, p99 = np.percentile(times, (50, 90, 99)).tolist()
    return Timing(len(times), float(np.mean(times)), p50, p90, p99)
