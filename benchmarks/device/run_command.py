"""`python -m benchmarks.device run`: one bundle over one clip on one phone or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from benchmarks.clip_folder import write_clip
from benchmarks.clips import head, named_clips
from benchmarks.device.adb import Adb
from benchmarks.device.clip import fit_clip
from benchmarks.device.failure import DeviceError, Failure
from benchmarks.device.fleet import choose_phones, on_every_phone
from benchmarks.device.litert_benchmark import CHECKED, NOT_CHECKED, LitertJob, run_litert_benchmark
from benchmarks.device.phone_shell import PhoneShell
from benchmarks.device.runners import runner_from
from benchmarks.device.session import DeviceJob, DeviceRun, RunOptions, run_on_device
from benchmarks.device.thermal import CoolDown, status_name
from benchmarks.protocol import QUICK
from benchmarks.tables import rich_table
from mobilevos.bundle import Bundle
from mobilevos.commands.console import print_line
from mobilevos.errors import InputError
from mobilevos.frame_size import parse_size

__all__ = ["run_bundle"]

_HEADERS = ("phone", "steps", "p50 ms", "p90 ms", "peak MB", "thermal", "")


def run_bundle(
    bundle: Annotated[Path, typer.Option(metavar="DIR", help="An exported ExecuTorch bundle.")],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write; of several phones one in it for each.")],
    clip: Annotated[
        str, typer.Option(metavar="CLIP|davis:ROOT:NAME|synthetic", help="What to track; a video or folder of images.")
    ] = "synthetic",
    mask: Annotated[Path | None, typer.Option(metavar="PNG", help="Object ids on the first frame of a CLIP.")] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Frames of the clip at most.")] = None,
    size: Annotated[str | None, typer.Option(help="HEIGHTxWIDTH of the synthetic clip; the bundle's own.")] = None,
    resize: Annotated[bool, typer.Option("--resize", help="Resize the clip to the bundle's size.")] = False,
    memory_every: Annotated[int, typer.Option(min=1, help="Frames from one memorised frame to the next.")] = 5,
    serial: Annotated[
        list[str] | None, typer.Option(metavar="S", help="Of the phone; given again for several at once.")
    ] = None,
    every_phone: Annotated[bool, typer.Option("--all", help="On all phones that are connected.")] = False,
    runner: Annotated[
        Path | None, typer.Option(metavar="PAYLOAD", help="Folder of the runner for the phone's ABI; built by default.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; by default the runtime's choice.")] = None,
    steps: Annotated[
        int, typer.Option(min=1, help=f"Timed steps at least; fewer than {QUICK.steps} are INVALID.")
    ] = QUICK.steps,
    seconds: Annotated[
        float, typer.Option(min=0, help=f"Seconds in timed steps at least; fewer than {QUICK.seconds:g} are INVALID.")
    ] = QUICK.seconds,
    warm_up: Annotated[int, typer.Option(min=0, help="Steps before them.")] = 10,
    components: Annotated[bool, typer.Option("--components", help="Run and time each component alone.")] = False,
    trace: Annotated[bool, typer.Option("--trace", help="Also bring each step's tensors back.")] = False,
    cool_down: Annotated[float, typer.Option(min=0, help="Seconds to wait at most for a hot phone to cool.")] = 300.0,
    litert_benchmark: Annotated[
        Path | None,
        typer.Option(
            metavar="BINARY",
            help="LiteRT's benchmark_model for the phone's ABI: times each component of a TFLite bundle. Latency only, "
            "no clip and no masks.",
        ),
    ] = None,
) -> None:
    """Run a bundle over a clip on a phone, and bring back masks, times, memory and the phone's state.

    A run that is too short to count, as of the harness, is marked INVALID. Whatever happens, nothing is left on the
    phone. A run whose connection is lost for good keeps the steps that were seen, marked as partial, and exits with 2.
    """
    opened = Bundle.open(bundle)
    adb = Adb.find()
    phones = choose_phones(adb, serial or [], every_phone=every_phone)
    rule = CoolDown(limit_s=cool_down)
    console = Console()

    def place(phone: PhoneShell) -> Path:
        return output if len(phones) == 1 else output / phone.serial.replace(":", "-")

    if litert_benchmark is not None:
        litert = LitertJob(opened, litert_benchmark, threads, steps, seconds, cool_down=rule)
        _time_litert(adb, phones, litert, place, console)
        return
    options = RunOptions(threads, steps, seconds, warm_up, components, trace)
    wanted = (opened.dimensions.height, opened.dimensions.width)
    clips = named_clips(
        clip,
        mask=mask,
        size=parse_size(size) if size else wanted,
        objects=opened.dimensions.objects,
        frames=frames or 60,
    )
    if len(clips) != 1:
        raise InputError(f"--clip {clip}", expected="one clip", found=f"{len(clips)}", remedy="add :NAME of a sequence")
    fitted = fit_clip(head(clips[0], frames) if frames else clips[0], opened, resize=resize)
    with TemporaryDirectory(prefix="mobilevos-clip-") as folder:
        raw = write_clip(Path(folder) / "clip", fitted.frames, {0: fitted.first_mask}, memory_every)
        job = DeviceJob(opened, raw, runner_from(runner), options, cool_down=rule)
        results = on_every_phone(
            adb, phones, lambda phone, advance: run_on_device(phone, job, place(phone), advance=advance), console
        )
    _report(results, console)


def _time_litert(
    adb: Adb, phones: dict[str, PhoneShell], job: LitertJob, place: Callable[[PhoneShell], Path], console: Console
) -> None:
    results = on_every_phone(
        adb,
        phones,
        lambda phone, advance: run_litert_benchmark(phone, job, place(phone) / "litert.json", advance=advance),
        console,
    )
    for serial, result in results.items():
        if isinstance(result, InputError):
            continue
        rows = [
            (name, f"{one['count']:.0f}", f"{one.get('p50_ms', one['mean_ms']):.2f}", f"{one['mean_ms']:.2f}")
            for name, one in result["signatures"].items()
        ]
        console.print(rich_table(f"LiteRT on {serial}", ("component", "calls", "p50 ms", "mean ms"), rows))
        if unfair := result["thermal"]["unfair"]:
            print_line(f"warning: {serial} was not measured fairly: {'; '.join(unfair)}")
    print_line(f"checked: {CHECKED}")
    print_line(f"not checked: {NOT_CHECKED}")
    _raise_first(results)


def _report(results: dict[str, DeviceRun | InputError], console: Console) -> None:
    runs = [run for run in results.values() if isinstance(run, DeviceRun)]
    if runs:
        console.print(rich_table("runs", _HEADERS, [_row(run) for run in runs], text_columns=1))
    for run in runs:
        print_line(f"{run.folder}{': partial' if run.partial else ''}")
        if run.invalid:
            print_line(f"{run.phone.name}, INVALID: {'; '.join(run.invalid)}")
        if unfair := run.thermal["unfair"]:
            print_line(f"warning: {run.phone.name} was not measured fairly: {'; '.join(unfair)}")
    _raise_first(results)
    for run in runs:
        if run.partial:
            remedy = f"the {len(run.steps)} steps before are in {run.folder}"
            raise DeviceError(Failure.CONNECTION_LOST, run.error, remedy=remedy)


def _row(run: DeviceRun) -> tuple[str, ...]:
    times = [step.step_ms for step in run.steps if step.timed]
    p50, p90 = (f"{value:.1f}" for value in np.percentile(times, (50, 90))) if times else ("", "")
    peak = "" if run.record is None else f"{run.record.peak_rss_bytes / 1e6:.0f}"
    unfair = run.thermal["unfair"]
    flags = {"INVALID": run.invalid, "throttled": run.throttled, "unfair": unfair, "partial": run.partial}
    marks = [mark for mark, holds in flags.items() if holds]
    heat = " to ".join(status_name(run.thermal[when]["status"]) for when in ("before", "after"))
    return (run.phone.name, f"{len(times)}", p50, p90, peak, heat, ", ".join(marks))


def _raise_first(results: Mapping[str, object]) -> None:
    """The errors, one line each; the first ends the program."""
    errors = [result for result in results.values() if isinstance(result, InputError)]
    for error in errors[1:]:
        print_line(f"error: {error}")
    if errors:
        raise errors[0]
