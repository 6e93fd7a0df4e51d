"""A phone as a device of the harness: `python -m benchmarks --device adb[:SERIAL]`. Of several: `harness_phones`.

What runs on a phone is the C++ runner, so ExecuTorch bundles alone; each other target becomes a row that says so. The
reference is PyTorch, which does not run there either: its masks are made on this host, untimed, so that a phone's masks
are held against them all the same. There is no ratio of times then: rows of one phone compare with each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.clip_folder import ClipFolder
from benchmarks.device.phone import PhoneFacts
from benchmarks.device.phone_shell import PhoneShell
from benchmarks.device.prepared import Advance
from benchmarks.device.runners import runner_from
from benchmarks.device.session import DeviceJob, DeviceRun, RunOptions, run_on_device
from benchmarks.device.thermal import CoolDown
from benchmarks.host import Measured, Progress
from benchmarks.jobs import REFERENCE, Job
from benchmarks.protocol import Protocol, component_protocol
from benchmarks.run_record import read_masks
from benchmarks.runner.payload import Payload
from mobilevos.bundle import Bundle
from mobilevos.engines import open_engine
from mobilevos.errors import InputError
from mobilevos.tracking import Tracker

__all__ = ["AdbDevice"]


@dataclass
class AdbDevice:
    """A phone on which jobs are run, one after the other, with a cool-down before each.

    Attributes:
        phone: Which.
        facts: What it is, and how warm it was before the first run.
        runner: Gives the C++ runner for an architecture.
        cool_down: What has to be waited for before each run.
        advance: Is told how far each run is.
    """

    phone: PhoneShell
    facts: PhoneFacts
    runner: Callable[[str], Payload] = field(default_factory=runner_from)
    cool_down: CoolDown = field(default_factory=CoolDown)
    advance: Advance = lambda stage, steps: None

    def describe(self) -> dict[str, Any]:
        """See `benchmarks.host.Device.describe`."""
        facts = asdict(self.facts)
        return {
            "processor": f"{self.facts.name}, {self.facts.chip}".rstrip(", "),
            "architecture": self.facts.abi,
            "cores": len(self.facts.cores),
            "system": f"Android {self.facts.android}",
            "governors": sorted({core.governor for core in self.facts.cores if core.governor}),
            "phone": {name: value for name, value in facts.items() if name != "thermal"},
        }

    def measure(
        self,
        jobs: Sequence[Job],
        clip: ClipFolder,
        protocol: Protocol,
        threads: int,
        output: Path,
        *,
        components: bool = True,
        progress: Progress = lambda parts: None,
    ) -> tuple[list[Measured], float | None]:
        """See `benchmarks.host.Device.measure`. What a phone does goes to `advance`; its limit is not measured."""
        fused, single = _options(protocol, threads), None
        if components:
            single = replace(_options(component_protocol(protocol), threads), components=True)
        return [self._measure(job, clip, fused, single, output) for job in jobs], None

    def _measure(
        self, job: Job, clip: ClipFolder, options: RunOptions, alone: RunOptions | None, output: Path
    ) -> Measured:
        if job.target == REFERENCE:
            self.advance("reference: tracking on this host", 0)
            reason = "not run on the phone: its masks are this host's, for the others to be held against"
            return Measured(job, None, masks=_reference_masks(job, clip), skipped=reason)
        if not job.contestant.native or job.bundle is None:
            return Measured(job, None, skipped=_not_run(job))
        try:
            whole = DeviceJob(Bundle.open(job.bundle), clip, self.runner, options, cool_down=self.cool_down)
            fused = self._run(whole, output / "fused" / job.name, job.name)
        except InputError as error:
            return Measured(job, None, failure=str(error))
        if fused.record is None:
            return Measured(job, None, failure=fused.error, partial=tuple(fused.steps), thermal=fused.thermal)
        measured = Measured(job, fused.record, masks=read_masks(fused.folder, fused.record))
        if alone is None:
            return measured
        return self._with_components(measured, replace(whole, options=alone), output / "components" / job.name)

    def _with_components(self, measured: Measured, job: DeviceJob, output: Path) -> Measured:
        """What was measured, with the run that calls each component alone, or with why it is missing."""
        try:
            single = self._run(job, output, f"{measured.job.name}, components alone")
        except InputError as error:
            return replace(measured, failure=f"components alone: {error}")
        if single.record is None:
            return replace(measured, failure=f"components alone: {single.error}", partial_single=tuple(single.steps))
        return replace(measured, single=single.record)

    def _run(self, job: DeviceJob, output: Path, name: str) -> DeviceRun:
        def advance(stage: str, steps: int) -> None:
            self.advance(f"{name}: {stage}", steps)

        return run_on_device(self.phone, job, output, at_rest=self.facts.thermal, advance=advance)


def _not_run(job: Job) -> str:
    reason = "not run on the phone: the C++ runner takes ExecuTorch bundles alone"
    if job.contestant.bundle != "tflite":
        return reason
    return f"{reason}; `python -m benchmarks.device run --litert-benchmark BINARY` times its components there"


def _options(protocol: Protocol, threads: int) -> RunOptions:
    return RunOptions(threads, protocol.steps, protocol.seconds, protocol.warm_up)


def _reference_masks(job: Job, clip: ClipFolder) -> NDArray[np.uint8]:
    tracker = Tracker(open_engine(job.contestant.engine, checkpoint=job.checkpoint), memory_every=clip.memory_every)
    frame = np.empty((clip.height, clip.width, 3), np.uint8)
    masks = np.empty((clip.frames, clip.height, clip.width), np.uint8)
    for index in range(clip.frames):
        clip.read(index, frame)
        masks[index] = tracker.step(frame, clip.given.get(index)).labels
    return masks
