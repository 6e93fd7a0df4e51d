"""What a run must be to count, and what is computed from its steps. Plain functions on milliseconds, no engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.run_record import RunRecord, Step

__all__ = [
    "FULL",
    "QUICK",
    "Distribution",
    "Protocol",
    "component_protocol",
    "component_times",
    "distribution",
    "drift",
    "frames_per_second",
    "invalid_reasons",
    "short_of_valid",
    "too_few_component_calls",
]

_LARGEST_SAMPLE = 2000  # points of a slope: four million pairs


@dataclass(frozen=True)
class Protocol:
    """How long a run is.

    Attributes:
        name: For reports.
        steps: Timed steps of each engine, at least.
        seconds: Sum of their times, at least.
        warm_up: Steps before them, which page in weights, let pools of threads start and buffers grow.
    """

    name: str
    steps: int
    seconds: float
    warm_up: int = 10


QUICK = Protocol("quick", 128, 10.0)
FULL = Protocol("full", 1024, 60.0)
_LEAST_WARM_UP = 6
"""The memory encoder runs in two of so many steps."""
_COMPONENT_SHARE = 4
"""The run that calls each component alone has this part of the steps and seconds of the other."""


def component_protocol(protocol: Protocol) -> Protocol:
    """How long the run is that calls each component alone: a quarter of the steps and seconds, rounded up."""
    steps, seconds = -(-protocol.steps // _COMPONENT_SHARE), protocol.seconds / _COMPONENT_SHARE
    return replace(protocol, steps=steps, seconds=seconds)


def too_few_component_calls(calls: int, steps: int) -> str:
    """What to say of components that were called alone in too few steps; empty if there were enough.

    Args:
        calls: Timed steps of that run: each calls every component but the memory encoder once.
        steps: That the protocol asks for. Below the quick protocol's, those count.
    """
    least = -(-max(steps, QUICK.steps) // _COMPONENT_SHARE)
    return f"{calls:,} steps, and {least:,} are the least" if calls < least else ""


def short_of_valid(protocol: Protocol) -> str:
    """What is said of measurements that are shorter by intention than a run that counts; empty if they are not."""
    if protocol.steps >= QUICK.steps and protocol.seconds >= QUICK.seconds:
        return ""
    return (
        f"at least {protocol.steps:,} timed steps and {protocol.seconds:g} s of each, shorter than a valid run "
        f"({QUICK.steps} steps and {QUICK.seconds:g} s)"
    )


def invalid_reasons(records: Sequence[RunRecord], complete: bool = True, protocol: Protocol = QUICK) -> tuple[str, ...]:
    """Why a run does not count, by its own protocol and, where that asks for less, by the quick one; empty if it does.

    Args:
        records: Of one engine, one for each clip.
        complete: Whether every clip was tracked once to its end.
        protocol: That the run was made by.
    """
    steps = [step for record in records for step in record.timed]
    seconds = sum(step.step_ms for step in steps) / 1e3
    reasons = []
    if len(steps) < max(protocol.steps, QUICK.steps):
        asked = protocol if protocol.steps > QUICK.steps else QUICK
        reasons.append(f"{len(steps):,} timed steps, and {asked.steps:,} are the least{_by(asked)}")
    if seconds < max(protocol.seconds, QUICK.seconds):
        asked = protocol if protocol.seconds > QUICK.seconds else QUICK
        reasons.append(f"{seconds:.1f} s of timed steps, and {asked.seconds:g} s are the least{_by(asked)}")
    least = min((sum(step.warm_up for step in record.steps) for record in records), default=0)
    if least < _LEAST_WARM_UP:
        reasons.append(f"a warm-up of {least} steps, and {_LEAST_WARM_UP} are the least")
    if not complete:
        reasons.append("the clip was not tracked to its end")
    return tuple(reasons)


def _by(protocol: Protocol) -> str:
    return "" if protocol is QUICK else f" of the {protocol.name} protocol"


@dataclass(frozen=True)
class Distribution:
    """Milliseconds of some calls.

    Attributes:
        count: Number of calls.
        min: Fastest.
        p50: Median.
        p90: 90th percentile.
        p99: 99th percentile.
        mean: Arithmetic mean.
        std: Standard deviation of the sample; 0 of a single call.
    """

    count: int
    min: float
    p50: float
    p90: float
    p99: float
    mean: float
    std: float


def distribution(times: Sequence[float]) -> Distribution:
    """Of at least one time in milliseconds."""
    array = np.asarray(times, np.float64)
    p50, p90, p99 = np.percentile(array, (50, 90, 99)).tolist()
    std = float(array.std(ddof=1)) if len(array) > 1 else 0.0
    return Distribution(len(array), float(array.min()), p50, p90, p99, float(array.mean()), std)


def component_times(steps: Sequence[Step]) -> dict[str, list[float]]:
    """Milliseconds of each component in the timed steps, by its name."""
    times: dict[str, list[float]] = {}
    for step in steps:
        if step.timed:
            for name, spent in step.components.items():
                times.setdefault(name, []).append(spent)
    return times


def frames_per_second(step_ms: Sequence[float]) -> float:
    """Of the loop: frames by the time that its steps took, which is the mean's inverse, not the median's."""
    return 1e3 * len(step_ms) / sum(step_ms)


def drift(step_ms: Sequence[float]) -> float:
    """How step times change from the start of a run to its end, in percent of their median.

    The slope is Theil and Sen's, the median of the slopes between all pairs of steps: up to 29 % of the steps may be
    disturbed without any effect. A leak or a processor that heats up makes it positive.

    Args:
        step_ms: Two or more, in order.
    """
    array = np.asarray(step_ms, np.float64)
    places = np.unique(np.linspace(0, len(array) - 1, min(len(array), _LARGEST_SAMPLE)).astype(int))
    slope = _theil_sen(places.astype(np.float64), array[places])
    return 100 * slope * (len(array) - 1) / float(np.median(array))


def _theil_sen(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    first, second = np.triu_indices(len(x), k=1)
    return float(np.median((y[second] - y[first]) / (x[second] - x[first])))
