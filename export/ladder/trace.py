"""What a graph computed, operator by operator: the common form in which any runtime's graph is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mobilevos.engines.engine import Array

__all__ = ["INPUT", "Step", "Trace", "TraceRecorder", "record_inputs"]

INPUT = "input"
"""Operator of the steps that stand for a graph's inputs."""


@dataclass(frozen=True)
class Step:
    """One tensor of a graph, and the operator that made it.

    Attributes:
        name: Of the tensor; unique in its trace.
        operator: In the words of the graph's format, e.g. `CONV_2D`.
        inputs: Names of the steps that it was made from. Constants are none.
        value: What it held, float32, of any shape.
        source: The module and the line of the network that it comes from; empty where the graph does not know.
    """

    name: str
    operator: str
    inputs: tuple[str, ...]
    value: Array
    source: str = ""


@dataclass(frozen=True)
class Trace:
    """Every step of one call of a graph. It holds all of their values at once.

    Attributes:
        steps: In the order of execution, the graph's inputs first.
        outputs: Names of the steps that are the graph's outputs, in the contract's order.
    """

    steps: tuple[Step, ...]
    outputs: tuple[str, ...]

    def step(self, name: str) -> Step:
        """The step of that name."""
        return next(step for step in self.steps if step.name == name)


class TraceRecorder:
    """Collects the steps of a graph while it runs.

    Steps are made of real numbers and depend on the graph's inputs. What does not depend on them is a constant and
    left out; what is no tensor of real numbers (a shape, a tuple) is left out too, and whatever takes it counts as
    made from what it was made from.
    """

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._origins: dict[str, tuple[str, ...]] = {}

    def add(self, name: str, operator: str, inputs: Iterable[str], value: object, source: str = "") -> None:
        """Notes what an operator made.

        Args:
            name: Of what it made.
            operator: In the words of the graph's format; `INPUT` for an input of the graph.
            inputs: Names of what it took. Those that were never added are constants.
            value: What it made; copied.
            source: See `Step`.
        """
        origins = tuple(dict.fromkeys(origin for one in inputs for origin in self._origins.get(one, ())))
        array = _real_array(value)
        if not origins and operator != INPUT:
            return
        if array is None:
            self._origins[name] = origins
            return
        self._origins[name] = (name,)
        self._steps.append(Step(name, operator, origins, array, source))

    def trace(self, outputs: Sequence[str]) -> Trace:
        """What was collected.

        Args:
            outputs: Names of the graph's outputs, in the contract's order.
        """
        return Trace(tuple(self._steps), tuple(outputs))


def record_inputs(recorder: TraceRecorder, names: Iterable[str], inputs: Iterable[object]) -> None:
    """Notes the inputs of a graph.

    Args:
        recorder: Takes them.
        names: As the graph calls them.
        inputs: One for each name.
    """
    for name, value in zip(names, inputs, strict=True):
        recorder.add(name, INPUT, (), value)


def _real_array(value: object) -> Array | None:
    """A float32 copy in C order of what is a tensor or array of real numbers; None for anything else."""
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy() if value.dtype in (torch.float32, torch.float16, torch.float64) else None
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        return None
    return np.array(value, np.float32, order="C")
