"""Tracking the golden clip and noting every call, every write into the memory and every mask."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mobilevos.contract import STRIDE
from mobilevos.engines.engine import Array, Engine, EngineInfo, Query
from mobilevos.golden.clip import GoldenClip
from mobilevos.golden.trace import Call, GoldenTrace, Step, Write
from mobilevos.tracking import FIRST_AND_LATEST, Tracker

__all__ = ["record", "reduced"]

_POSITION_AXES = {"key": (0, 2, 3), "memory_key": (0,), "memory_value": (1,), "readout": (2, 3)}
"""Axes of the tensors of which a mean over all positions is kept."""


def reduced(name: str, tensor: Array) -> Array:
    """What a trace keeps of a tensor: little, but different for every fault that matters.

    | tensor         | kept                                              | shape            |
    |----------------|---------------------------------------------------|------------------|
    | `logits`       | every 16th pixel of every 16th row, from the first | `[O, H/16, W/16]` |
    | `key`          | mean over the positions                           | `[Ck]`           |
    | `memory_key`   | mean over the positions                           | `[Ck+1]`         |
    | `memory_value` | mean over the positions                           | `[O, Cv]`        |
    | `readout`      | mean over the positions                           | `[O, Cv]`        |

    Args:
        name: Of an output of the contract, as above.
        tensor: Of the contract's shape.

    Returns:
        float32, in C order. Means are taken in float64.
    """
    if name == "logits":
        return np.ascontiguousarray(tensor[:, 0, ::STRIDE, ::STRIDE])
    mean: Array = tensor.mean(axis=_POSITION_AXES[name], dtype=np.float64).astype(np.float32)
    return mean


def record(engine: Engine, clip: GoldenClip, advance: Callable[[int], None] = lambda frames: None) -> GoldenTrace:
    """Tracks the clip with the default memory policy, the engine feeding on its own masks.

    Args:
        engine: Takes frames of the clip's size, padded to multiples of 16.
        clip: In which no object is given twice.
        advance: Told of frames as they are done.

    Raises:
        InputError: The engine takes another size, or fewer memory frames than the policy keeps.
    """
    watched = _WatchedEngine(engine)
    tracker = Tracker(watched, memory_every=clip.memory_every, policy=FIRST_AND_LATEST)
    groups: list[tuple[int, ...]] = []
    written: list[int] = []
    steps = []
    for index, frame in enumerate(clip.frames):
        before, known = tuple(groups), tracker.ids
        labels = tracker.step(frame, clip.given.get(index)).labels.astype(np.uint8, copy=False)
        if new := tracker.ids[len(known) :]:
            groups.append(new)
            written.append(0)
        calls = _in_groups(watched.take_calls(), before, tracker.ids)
        writes = []
        if any(call.component == "encode_memory" for call in calls):
            writes = [Write(g, FIRST_AND_LATEST.slot(written[g]), ids) for g, ids in enumerate(groups)]
            written = [frames + 1 for frames in written]
        steps.append(Step(tuple(calls), tuple(writes), labels))
        advance(1)
    return GoldenTrace(clip, engine.info.name, tuple(steps))


def _in_groups(calls: list[Call], groups: tuple[tuple[int, ...], ...], ids: tuple[int, ...]) -> list[Call]:
    """The calls of a step, with the objects that each was made for.

    Args:
        calls: Without them.
        groups: Ids of each group that the step found.
        ids: Of all objects after the step, which may have given new ones.
    """
    reads = iter(enumerate(groups))
    predicted = tuple(object_id for group in groups for object_id in group)
    told = []
    for call in calls:
        group: int | None = None
        own: tuple[int, ...] = ()
        if call.component in ("segment", "read_memory"):
            group, own = next(reads)
        elif call.component == "decode":
            own = predicted
        elif call.component == "encode_memory":
            own = ids
        told.append(Call(call.component, group, own, call.sums, call.tensors))
    return told


class _WatchedEngine(Engine):
    """Passes every call on, and notes what a trace keeps of it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._calls: list[Call] = []

    def take_calls(self) -> list[Call]:
        """The calls since the last time, without their objects, which an engine does not know."""
        calls, self._calls = self._calls, []
        return calls

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    def encode_query(self, image: Array) -> Query:
        query = self._engine.encode_query(image)
        self._note("encode_query", {"image": _sums(image)}, key=query.key)
        return query

    def encode_memory(self, query: Query, masks: Array, others: Array) -> tuple[Array, Array]:
        key, value = self._engine.encode_memory(query, masks, others)
        sums = {"masks": _sums(masks), "others": _sums(others)}
        self._note("encode_memory", sums, memory_key=key, memory_value=value)
        return key, value

    def read_memory(self, query: Query, memory_keys: Array, memory_values: Array) -> Array:
        readout = self._engine.read_memory(query, memory_keys, memory_values)
        self._note("read_memory", {}, readout=readout)
        return readout

    def decode(self, readout: Array, query: Query) -> Array:
        logits = self._engine.decode(readout, query)
        self._note("decode", {}, logits=logits)
        return logits

    def segment(self, image: Array, memory_keys: Array, memory_values: Array) -> tuple[Array, Query]:
        logits, query = self._engine.segment(image, memory_keys, memory_values)
        self._note("segment", {"image": _sums(image)}, logits=logits, key=query.key)
        return logits, query

    def _note(self, component: str, sums: dict[str, tuple[float, ...]], **outputs: Array) -> None:
        kept = {name: reduced(name, tensor) for name, tensor in outputs.items()}
        self._calls.append(Call(component, None, (), sums, kept))


def _sums(array: Array) -> tuple[float, ...]:
    """Sum over each item of the first dimension, in float64."""
    return tuple(array.sum(axis=tuple(range(1, array.ndim)), dtype=np.float64).tolist())
