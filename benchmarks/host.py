"""This machine as a place where engines run: each in a process of its own, interleaved with the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.clip_folder import ClipFolder
from benchmarks.host_runner import host_runner
from benchmarks.interleaving import Turns, interleave, ratios
from benchmarks.jobs import REFERENCE, Job
from benchmarks.machine import MatrixProduct, describe_machine
from benchmarks.protocol import Protocol as RunProtocol
from benchmarks.protocol import component_protocol
from benchmarks.run_record import RunRecord, Step, read_masks
from benchmarks.turn_process import TurnProcess, worker_command
from mobilevos.errors import InputError

__all__ = ["Device", "Host", "Measured", "Progress", "command_of"]

Progress = Callable[[Sequence[tuple[Job, Turns]]], None]
"""Called after each round with every job's part of the run."""


@dataclass(frozen=True)
class Measured:
    """What came of one job on one clip.

    Attributes:
        job: That was run.
        record: Of the run with the fused program; None if it failed.
        single: Of the run that calls each component alone; None if it failed or was not asked for.
        masks: Of the first, `[T, H, W]`, uint8, object ids; None without a complete pass.
        ratios: Step times over the reference's, in order; empty where there is no reference.
        failure: Why a part is missing; empty if none is.
        skipped: Why the device does not run such a job; empty if it does.
        partial: Where the first run broke off: its steps until then.
        partial_single: The same of the run that calls each component alone.
        thermal: Of a run that broke off: facts that a device's driver has.
    """

    job: Job
    record: RunRecord | None
    single: RunRecord | None = None
    masks: NDArray[np.uint8] | None = None
    ratios: tuple[float, ...] = ()
    failure: str = ""
    skipped: str = ""
    partial: tuple[Step, ...] = ()
    partial_single: tuple[Step, ...] = ()
    thermal: Mapping[str, Any] = field(default_factory=dict)


class Device(Protocol):
    """Where engines run."""

    def describe(self) -> dict[str, Any]:
        """What it is, as JSON: at least `processor`."""

    def measure(
        self,
        jobs: Sequence[Job],
        clip: ClipFolder,
        protocol: RunProtocol,
        threads: int,
        output: Path,
        *,
        components: bool,
        progress: Progress,
    ) -> tuple[list[Measured], float | None]:
        """Runs jobs on a clip.

        Args:
            jobs: The reference first.
            clip: To track.
            protocol: How long.
            threads: CPU threads of each.
            output: Folder of the records and masks.
            components: Whether to run once more with each component called alone.
            progress: See `Progress`.

        Returns:
            What came of each job, and the device's matrix-product limit in GFLOP/s in the same run, if it was measured.
        """


class Host:
    """This machine."""

    def describe(self) -> dict[str, Any]:
        """See `Device.describe`."""
        return describe_machine()

    def measure(
        self,
        jobs: Sequence[Job],
        clip: ClipFolder,
        protocol: RunProtocol,
        threads: int,
        output: Path,
        *,
        components: bool = True,
        progress: Progress = lambda parts: None,
    ) -> tuple[list[Measured], float | None]:
        """See `Device.measure`."""
        torch.set_num_threads(threads)
        limit = MatrixProduct()
        fused = _run(jobs, clip, protocol, threads, output / "fused", [], limit, progress)
        single: list[Turns | None] = [None] * len(jobs)
        if components:
            shorter, folder = component_protocol(protocol), output / "components"
            single = list(_run(jobs, clip, shorter, threads, folder, ["--components"], limit, progress))
        reference = fused[0] if jobs[0].target == REFERENCE and not fused[0].failure else None
        return [_measured(*parts, reference) for parts in zip(jobs, fused, single, strict=True)], limit.gflops


def command_of(job: Job, clip: Path, output: Path, threads: int, warm_up: int) -> list[str]:
    """The command of a process that runs a job in turn.

    Args:
        job: What to run.
        clip: The clip folder.
        output: Folder of the record and the masks.
        threads: CPU threads.
        warm_up: Steps to mark as such.
    """
    if job.contestant.native:
        command = [*host_runner(), "--in-turn"]
    else:
        command = [*worker_command(), "--engine", job.contestant.engine, "--in-turn"]
        command += ["--checkpoint", str(job.checkpoint), "--memory-frames", str(job.workload.memory_frames)]
    command += [] if job.bundle is None else ["--bundle", str(job.bundle)]
    common = {"clip": clip, "output": output, "threads": threads, "warm-up": warm_up}
    return command + [text for name, value in common.items() for text in (f"--{name}", str(value))]


def _run(
    jobs: Sequence[Job],
    clip: ClipFolder,
    protocol: RunProtocol,
    threads: int,
    output: Path,
    options: list[str],
    limit: MatrixProduct,
    progress: Progress,
) -> list[Turns]:
    turns = []
    for job in jobs:
        folder = output / job.name
        command = [*command_of(job, clip.folder, folder, threads, protocol.warm_up), *options]
        turns.append(Turns(TurnProcess(job.name, command, folder), clip.frames))
    try:
        interleave(turns, protocol, between=limit.sample, watch=lambda: progress(list(zip(jobs, turns, strict=True))))
    finally:
        for one in turns:
            one.process.close()
    return turns


def _measured(job: Job, fused: Turns, single: Turns | None, reference: Turns | None) -> Measured:
    masks = None
    failure = fused.failure or (f"components alone: {single.failure}" if single and single.failure else "")
    if fused.record is not None and fused.complete:
        try:
            masks = read_masks(fused.process.output, fused.record)
        except InputError as error:
            failure = failure or str(error)
    return Measured(
        job,
        fused.record,
        single.record if single else None,
        masks,
        tuple(ratios(fused.steps, reference.steps)) if reference else (),
        failure,
        partial=tuple(fused.steps) if fused.record is None else (),
        partial_single=tuple(single.steps) if single and single.record is None else (),
    )
