"""What a step costs as one size of the workload grows: objects, pixels, memory frames. All sizes in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.clip_folder import write_clip
from benchmarks.clips import synthetic_clip
from benchmarks.host import command_of
from benchmarks.interleaving import Turns, interleave
from benchmarks.jobs import Job, Workload
from benchmarks.noise import Interval, median_interval
from benchmarks.protocol import Protocol
from benchmarks.turn_process import TurnProcess
from mobilevos.errors import InputError

__all__ = ["SWEEPS", "Point", "Sweep", "cost_of_one", "measure_sweep", "sweep_protocol"]

_FRAMES = 12
_MEMORY_EVERY = 5


@dataclass(frozen=True)
class Sweep:
    """One size that grows.

    Attributes:
        name: What grows.
        axis: Title of the axis.
        component: That is timed alone; empty for the whole step.
        unit: What one more costs is said per this.
        workloads: By label, the smallest first.
        amount: Of a workload, on the axis.
    """

    name: str
    axis: str
    component: str
    unit: str
    workloads: dict[str, Workload]
    amount: Callable[[Workload], float]


_SIZE = (480, 864)
_RESOLUTIONS = {"240p": (240, 432), "360p": (368, 640), "480p": _SIZE, "720p": (720, 1280)}

SWEEPS = {
    "objects": Sweep(
        "objects",
        "objects",
        "",
        "object",
        {str(count): Workload(_SIZE, objects=count) for count in (1, 2, 4, 8)},
        lambda workload: workload.objects,
    ),
    "resolution": Sweep(
        "resolution",
        "megapixels",
        "",
        "megapixel",
        {name: Workload(size) for name, size in _RESOLUTIONS.items()},
        lambda workload: workload.size[0] * workload.size[1] / 1e6,
    ),
    "memory": Sweep(
        "memory",
        "memory frames",
        "read_memory",
        "memory frame",
        {str(count): Workload(_SIZE, memory_frames=count) for count in (2, 4, 8)},
        lambda workload: workload.memory_frames,
    ),
}
"""By name."""


@dataclass(frozen=True)
class Point:
    """One size of one target.

    Attributes:
        target: Target and precision.
        label: Of the size.
        amount: On the axis.
        ms: Median time of the step, or of the sweep's component, with its interval.
    """

    target: str
    label: str
    amount: float
    ms: Interval


def sweep_protocol(steps: int) -> Protocol:
    """How long each point is measured: for so many timed steps, however long they take."""
    return Protocol("sweep", steps, 0.0)


def measure_sweep(
    sweep: Sweep,
    jobs: Sequence[tuple[str, Job]],
    output: Path,
    *,
    threads: int,
    steps: int,
    watch: Callable[[], None] = lambda: None,
) -> list[Point]:
    """Measures every size of every target, one step each in turn.

    Args:
        sweep: What grows.
        jobs: Each with the label of its workload.
        output: Folder of clips and records.
        threads: CPU threads.
        steps: Timed steps of each.
        watch: Called after each round.

    Raises:
        InputError: A process ended.
    """
    protocol = sweep_protocol(steps)
    turns = []
    for label, job in jobs:
        clip = synthetic_clip(_FRAMES, job.workload.size, job.workload.objects)
        raw = write_clip(output / f"clip-{job.workload.text}", clip.frames, {0: clip.first_mask}, _MEMORY_EVERY)
        folder = output / f"{job.name}-{label}"
        command = command_of(job, raw.folder, folder, threads, protocol.warm_up)
        command += ["--components"] if sweep.component else []
        turns.append(Turns(TurnProcess(f"{job.name}, {sweep.name} {label}", command, folder), _FRAMES))
    try:
        interleave(turns, protocol, watch=watch)
    finally:
        for one in turns:
            one.process.close()
    if failed := [one.failure for one in turns if one.failure]:
        raise InputError(failed[0])
    return [
        Point(job.name, label, sweep.amount(job.workload), median_interval(_times(one, sweep.component)))
        for (label, job), one in zip(jobs, turns, strict=True)
    ]


def cost_of_one(points: Sequence[Point]) -> tuple[float, float]:
    """The line through one target's points, by least squares: milliseconds at zero, and of one more."""
    slope, start = np.polyfit([one.amount for one in points], [one.ms.value for one in points], 1).tolist()
    return start, slope


def _times(turns: Turns, component: str) -> list[float]:
    timed = [step for step in turns.steps if step.timed]
    return [step.components[component] if component else step.step_ms for step in timed]
