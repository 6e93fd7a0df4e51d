"""One bundle run over one clip on one phone: everything there, run, looked at, brought back, and nothing left."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any

from benchmarks.clip_folder import ClipFolder
from benchmarks.device.failure import DeviceError, Failure
from benchmarks.device.phone import ARCHITECTURES, PhoneFacts
from benchmarks.device.phone_shell import PhoneShell
from benchmarks.device.prepared import PROGRAMS, Advance, prepared_phone
from benchmarks.device.record import read_device_record
from benchmarks.device.remote_process import Looks, RemoteProcess
from benchmarks.device.thermal import CoolDown, ThermalState, read_thermal
from benchmarks.device.transfer import files_under, pull_files
from benchmarks.protocol import Protocol, invalid_reasons
from benchmarks.run_record import MASKS, RUN, RunRecord, Step, write_run
from benchmarks.runner.payload import Payload
from mobilevos.bundle import MANIFEST, Bundle
from mobilevos.errors import InputError
from mobilevos.files import atomic_folder, atomic_write_text, resolve_inside

__all__ = ["DEVICE", "DeviceJob", "DeviceRun", "RunOptions", "run_on_device"]

DEVICE = "device.json"
"""What a driver knows of a run, beside the runner's `run.json`."""

_PULLED = (RUN, MASKS, "trace.json", "tensors.f32")
_KEPT_AFTER = (Failure.CONNECTION_LOST, Failure.TIMEOUT)  # a phone out of a network's reach does not say that it left
_THERMAL_EVERY_S = 10.0  # `dumpsys` is work for a phone: not at every look


@dataclass(frozen=True)
class RunOptions:
    """What the runner is told; see its `--help`.

    Attributes:
        threads: None for the runtime's own choice.
        steps: Timed steps at least.
        seconds: Seconds in timed steps at least.
        warm_up: Steps in front that are marked as warm-up.
        components: Whether each component runs and is timed alone instead of the fused step.
        trace: Whether each step's tensors are brought back too.
    """

    threads: int | None = None
    steps: int = 128
    seconds: float = 10.0
    warm_up: int = 10
    components: bool = False
    trace: bool = False

    @property
    def protocol(self) -> Protocol:
        """By which a run of them is judged."""
        return Protocol("requested", self.steps, self.seconds, self.warm_up)

    def arguments(self) -> list[str]:
        """For the command line."""
        numbers = {"threads": self.threads, "steps": self.steps, "seconds": self.seconds, "warm-up": self.warm_up}
        given = [f"--{name}={value}" for name, value in numbers.items() if value is not None]
        return [*given, *(f"--{name}" for name in ("components", "trace") if getattr(self, name))]


@dataclass(frozen=True)
class DeviceJob:
    """What is to be run.

    Attributes:
        bundle: An ExecuTorch one, verified.
        clip: As raw frames.
        runner: Gives the runner for `arm64` or `host`, building it where need be.
        options: Of the runner.
        looks: How it is looked at while it runs.
        cool_down: What has to be waited for before it.
    """

    bundle: Bundle
    clip: ClipFolder
    runner: Callable[[str], Payload]
    options: RunOptions = field(default_factory=RunOptions)
    looks: Looks = field(default_factory=Looks)
    cool_down: CoolDown = field(default_factory=CoolDown)

    def files(self, facts: PhoneFacts) -> dict[str, Path]:
        """What goes to a phone, by name there; of the bundle what the runner reads, its manifest and programs.

        Raises:
            InputError: The bundle is for another runtime, or the runner for another processor.
        """
        bundle = self.bundle
        if bundle.target != "executorch":
            raise InputError(f"{bundle.folder} is of another runtime", expected="executorch", found=bundle.target)
        runner = self.runner_for(facts)
        programs = {component["file"] for component in bundle.manifest["components"].values()}
        return {
            **files_under(runner.folder, PROGRAMS),
            **{f"bundle/{name}": resolve_inside(bundle.folder, name) for name in (MANIFEST, *sorted(programs))},
            **files_under(self.clip.folder, "clip"),
        }

    def runner_for(self, facts: PhoneFacts) -> Payload:
        """The runner for a phone.

        Raises:
            InputError: It cannot be built, or is for another processor.
        """
        fitting = ARCHITECTURES[facts.abi]
        runner = self.runner(fitting[0])
        if runner.arch not in fitting:
            what, remedy = f"runner {runner.folder} is for another processor", f"build one with --arch {fitting[0]}"
            raise InputError(what, expected=" or ".join(fitting), found=runner.arch, remedy=remedy)
        return runner

    def command(self, facts: PhoneFacts, remote: str) -> list[str]:
        """What runs it, in a run's folder on a phone."""
        folders = {name: f"{remote}/{name}" for name in ("bundle", "clip", "output")}
        arguments = [part for name, path in folders.items() for part in (f"--{name}", path)]
        start = self.runner_for(facts).command_in(f"{remote}/{PROGRAMS}")
        return [*start, *arguments, "--progress", *self.options.arguments()]

    def written_bytes(self) -> int:
        """About what the runner writes there: the masks of two passes."""
        return 2 * self.clip.frames * self.clip.height * self.clip.width


@dataclass(frozen=True)
class DeviceRun:
    """What came of it.

    Attributes:
        phone: That it ran on.
        folder: Holds `device.json` and, of a whole run, `run.json` and `masks.u8`.
        record: The run record, with this run's `thermal` in it; None of a partial run.
        steps: The record's steps; of a partial run those that were seen before the connection was lost.
        thermal: Heat before and after, cool-down, and whether and why the run counts as throttled.
        error: What ended a partial run, one line; else empty.
        invalid: Why a whole run does not count, see `benchmarks.protocol.invalid_reasons`; empty if it does.
    """

    phone: PhoneFacts
    folder: Path
    record: RunRecord | None
    steps: list[Step]
    thermal: dict[str, Any]
    error: str = ""
    invalid: tuple[str, ...] = ()

    @property
    def partial(self) -> bool:
        """Whether the run broke off: there are steps, but no masks."""
        return self.record is None

    @property
    def throttled(self) -> bool:
        """Whether its times are those of a phone that was slowed by heat."""
        return bool(self.thermal["throttled"])

    def to_json(self) -> dict[str, Any]:
        """For `device.json`."""
        facts = {"format": 1, "partial": self.partial, "throttled": self.throttled, "phone": asdict(self.phone)}
        steps = [step.to_json() for step in self.steps] if self.partial else []
        return facts | {"thermal": self.thermal, "error": self.error, "invalid": list(self.invalid), "steps": steps}


def run_on_device(
    phone: PhoneShell,
    job: DeviceJob,
    output: Path,
    *,
    at_rest: ThermalState | None = None,
    advance: Advance = lambda stage, steps: None,
) -> DeviceRun:
    """Runs a bundle over a clip on a phone.

    Args:
        phone: Where.
        job: What.
        output: Folder to write, in place of what lies there: `run.json` and `masks.u8` (with `trace`, also
            `trace.json` and `tensors.f32`) as the runner wrote them, but for the record's `thermal`; and `device.json`.
        at_rest: How warm the phone was before the first of several runs; as it is now by default.
        advance: Is told how far it is.

    Returns:
        The run; a partial one where the phone was lost for good, or hangs, after the first step.

    Raises:
        DeviceError: The phone does not fit or is full, the runner failed, or the connection was lost before a step.
        InputError: The record that came is not valid, or the output cannot be written.
    """
    with (
        atomic_folder(output, overwrite=True) as local,
        prepared_phone(
            phone, job.files, written_bytes=job.written_bytes(), rule=job.cool_down, at_rest=at_rest, advance=advance
        ) as ready,
    ):
        record, error, watched = None, "", _Watched(phone, advance)
        try:
            watched.run(job, ready.facts, ready.folder)
            advance("pulling", len(watched.steps))
            pull_files(phone, _PULLED, f"{ready.folder}/output", local)
        except DeviceError as failure:
            if failure.failure not in _KEPT_AFTER or not watched.steps:
                raise
            error = str(failure)
        else:
            record = read_device_record(local)
        steps = watched.steps if record is None else record.steps
        thermal = ready.thermal(watched.states, steps)
        if record is not None:
            record = replace(record, thermal=thermal)
            write_run(local, record)
        invalid = () if record is None else invalid_reasons([record], protocol=job.options.protocol)
        run = DeviceRun(ready.facts, output, record, steps, thermal, error, invalid)
        atomic_write_text(local / DEVICE, json.dumps(run.to_json(), indent=1) + "\n")
    return run


class _Watched:
    """The runner while it runs: its steps and the phone's heat as they were seen."""

    def __init__(self, phone: PhoneShell, advance: Advance) -> None:
        self.steps: list[Step] = []
        self.states: list[ThermalState] = []
        self._phone, self._advance = phone, advance

    def run(self, job: DeviceJob, facts: PhoneFacts, remote: str) -> None:
        process = RemoteProcess(self._phone, remote, job.looks)
        self._advance("running", 0)
        process.start(job.command(facts, remote))
        asked = monotonic()
        for lines in process.lines():
            self.steps += [self._step(line) for line in lines]
            self._advance("running", len(self.steps))
            if monotonic() - asked > _THERMAL_EVERY_S:
                self._ask()
                asked = monotonic()
        self._ask()

    def _step(self, line: str) -> Step:
        try:
            return Step.from_json(json.loads(line))
        except ValueError as error:
            what = f"phone {self._phone.serial}: the runner printed nonsense"
            raise DeviceError(Failure.DAMAGED, what, expected="a step's record", found=repr(line[:80])) from error

    def _ask(self) -> None:
        self.states.append(self._phone.retried(lambda: read_thermal(self._phone)))
