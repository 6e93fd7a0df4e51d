"""What a rung of the int8 ladder leaves of each component: signal to noise ratio against the parent in float."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, partial
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from export.activations import Activations, record_activations
from export.measurement import call_component, expected_outputs
from export.parity import GATES, compare
from mobilevos.contract import Dimensions
from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.engine import Engine
from mobilevos.errors import InputError
from mobilevos.files import sha256_of
from mobilevos.model.checkpoint import load_network

__all__ = ["Yardstick"]

_MEMORY_FRAMES = 2  # what the loop keeps, where an engine takes any


class Yardstick:
    """The parent in float, and what its components were given and gave on a clip: the same for every rung.

    Args:
        parent: Its checkpoint.
        size: Height and width of padded frames, for engines that take any.
        threads: Of PyTorch, for the whole process; None leaves them.

    Raises:
        InputError: It is no checkpoint.
    """

    def __init__(self, parent: Path, size: tuple[int, int], threads: int | None = None) -> None:
        self._sha256, self._size = sha256_of(parent), size
        self._network = load_network(parent)
        self._eager = EagerEngine(self._network, threads=threads)
        self._recorded = cache(partial(record_activations, self._eager))

    def conditions(self, engine: Engine) -> dict[str, Any]:
        """What the figures of an engine hang on beside the engine, as JSON: parent, frame size, memory, objects."""
        d = self._dimensions(engine)
        sizes = {"height": d.height, "width": d.width, "memory_frames": d.memory_frames, "objects": d.objects}
        return {"parent_sha256": self._sha256, **sizes}

    def measure(self, engine: Engine, components: Iterable[str]) -> dict[str, float | None]:
        """Calls each component with the parent's inputs, and compares what it gives with the parent's outputs.

        Args:
            engine: Of a rung.
            components: Of the contract, and what the bundle has beside them.

        Returns:
            By component the ratio of the worst output in dB; None where every output is equal.

        Raises:
            InputError: A component gives what is not finite, or cannot be called.
        """
        activations = self._recorded(self._dimensions(engine))
        return {name: _worst_db(engine, name, activations) for name in components}

    def _dimensions(self, engine: Engine) -> Dimensions:
        info = engine.info
        memory_frames, objects = info.memory_frames or _MEMORY_FRAMES, info.objects or 1
        return self._network.dimensions(*(info.input_size or self._size), memory_frames, objects)


def _worst_db(engine: Engine, component: str, activations: Activations) -> float | None:
    pairs = zip(expected_outputs(component, activations), call_component(engine, component, activations), strict=True)
    worst = GATES["int8"].worst(compare(np.ascontiguousarray(wanted), found) for wanted, found in pairs).sqnr_db
    if worst == -inf:
        raise InputError(f"{component} of {engine.info.name} gives what is not finite", expected="numbers")
    return None if worst == inf else worst
