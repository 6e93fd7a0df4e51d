"""`python -m benchmarks [run]`: engines on clips in the loop, interleaved, scored on the masks of the very run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from benchmarks.clips import head, named_clips
from benchmarks.device.harness_device import AdbDevice
from benchmarks.device.harness_phones import measure_phones, open_phones
from benchmarks.host import Device, Host
from benchmarks.interleaving import Turns
from benchmarks.jobs import CONTESTANTS, REFERENCE, Job, Skipped
from benchmarks.page import result_page
from benchmarks.protocol import FULL, QUICK
from benchmarks.result_tables import live_table, print_results, result_markdown
from benchmarks.results import FAILED, RESULTS, Result, write_results
from benchmarks.session import Plan, lacks_reference, measure, prepare_jobs
from mobilevos.commands.console import print_line
from mobilevos.errors import InputError
from mobilevos.files import atomic_write_text
from mobilevos.frame_size import parse_size

__all__ = ["FOLDER", "measure_and_report", "names", "one_precision", "open_devices", "run_benchmark"]

FOLDER = Path("build/benchmarks")
_PRECISIONS = ("fp32", "fp16", "int8")
_REFERENCE = f"{REFERENCE} fp32"


def names(text: str, allowed: Sequence[str], option: str) -> tuple[str, ...]:
    """The names in `a,b,c`, each once.

    Raises:
        InputError: One is not allowed.
    """
    chosen = tuple(dict.fromkeys(one.strip() for one in text.split(",") if one.strip()))
    for name in chosen or ("",):
        if name not in allowed:
            raise InputError(f"{option} {name[:40]!r}", expected=f"some of {', '.join(allowed)}")
    return chosen


def one_precision(text: str) -> str:
    """The precision of that name.

    Raises:
        InputError: There is none.
    """
    if text not in _PRECISIONS:
        raise InputError(f"--precision {text[:20]!r}", expected=" or ".join(_PRECISIONS))
    return text


def open_devices(name: str) -> dict[str, Device]:
    """The devices that `--device` names, by the names that their rows carry.

    Raises:
        InputError: There is none of that name.
    """
    kind, _, serials = name.partition(":")
    if name == "host":
        return {name: Host()}
    if kind == "adb":
        return dict(open_phones(serials))
    raise InputError(f"no device {name[:40]!r}", expected="host or adb[:SERIAL[,SERIAL]|:all]")


def run_benchmark(
    targets: Annotated[
        str,
        typer.Option(
            metavar="NAMES", help=f"Some of {','.join(CONTESTANTS)}. On a host {_REFERENCE} is measured in any case."
        ),
    ] = ",".join(CONTESTANTS),
    precision: Annotated[str, typer.Option(metavar="NAMES", help=f"Some of {','.join(_PRECISIONS)}.")] = "fp32",
    clip: Annotated[
        str,
        typer.Option(
            metavar="CLIP|davis:ROOT[:NAMES]|synthetic",
            help="What to track: a video or folder, DAVIS 2016, or nothing.",
        ),
    ] = "synthetic",
    mask: Annotated[Path | None, typer.Option(help="Object ids on the first frame of a CLIP, as a PNG.")] = None,
    threads: Annotated[str, typer.Option(metavar="N[,N]", help="CPU threads; one round for each number.")] = "2",
    device: Annotated[
        str,
        typer.Option(
            metavar="host|adb[:SERIAL[,SERIAL]|:all]", help="Where to run; on several phones at once, rows of each."
        ),
    ] = "host",
    full: Annotated[
        bool, typer.Option("--full/--quick", help="1,024 steps and 60 s of each, or 128 steps and 10 s.")
    ] = False,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Other timed steps; fewer than 128 make the run INVALID.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="Other seconds; fewer than 10 make the run INVALID.")
    ] = None,
    size: Annotated[str, typer.Option(help="HEIGHTxWIDTH of the synthetic clip.")] = "480x864",
    objects: Annotated[int, typer.Option(min=1, max=16, help="Of the synthetic clip.")] = 1,
    frames: Annotated[int | None, typer.Option(min=4, help="Of each clip at most; the synthetic one has 60.")] = None,
    memory_every: Annotated[int, typer.Option(min=1, help="Frames from one memorised frame to the next.")] = 5,
    checkpoint: Annotated[Path | None, typer.Option(help="The network; the shipped student by default.")] = None,
    int8_checkpoint: Annotated[Path | None, typer.Option(help="The network with ranges, for int8.")] = None,
    components: Annotated[bool, typer.Option(help="Also run with each component called alone.")] = True,
    bundles: Annotated[
        Path | None, typer.Option(help="Folder of the bundles; OUTPUT/bundles by default. Current ones are used again.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder of the results.")] = FOLDER,
) -> None:
    """Time the tracking loop with several engines, and score the masks of that very run.

    Each engine runs in a process of its own, one step each in turn with the PyTorch reference, so that the ratio of
    their times holds on a busy machine. A run that is too short to count is marked INVALID.

    Exits with 1 if a row failed, after all results were written; with 0 where rows are INVALID or were skipped; with 2
    if there is nothing to measure.
    """
    protocol = FULL if full else QUICK
    if steps is not None or seconds is not None:
        wanted = protocol.steps if steps is None else steps
        protocol = replace(
            protocol, name="custom", steps=wanted, seconds=protocol.seconds if seconds is None else seconds
        )
    clips = named_clips(clip, mask=mask, size=parse_size(size), objects=objects, frames=frames or 60)
    plan = Plan(
        targets=names(targets, tuple(CONTESTANTS), "--targets"),
        precisions=names(precision, _PRECISIONS, "--precision"),
        clips=tuple(head(one, frames) if frames else one for one in clips),
        threads=_numbers(threads),
        protocol=protocol,
        output=output,
        bundles=bundles or output / "bundles",
        device=device,
        checkpoint=checkpoint,
        int8_checkpoint=int8_checkpoint,
        memory_every=memory_every,
        components=components,
    )
    if any(one.status == FAILED for one in measure_and_report(plan, Console())):
        raise typer.Exit(1)


def measure_and_report(plan: Plan, console: Console) -> list[Result]:
    """Measures behind a live table, prints the results, writes them and gives them.

    Raises:
        InputError: As `measure`.
    """
    devices = open_devices(plan.device)
    with console.status("looking for bundles") as status:
        prepared = prepare_jobs(plan, status.update)
    if lacks_reference(plan) and isinstance(prepared[0], Job):
        console.print(f"{_REFERENCE} is measured as well: every ratio is to it", highlight=False)
    phones = {name: device for name, device in devices.items() if isinstance(device, AdbDevice)}
    if phones:
        results = measure_phones(plan, prepared, phones, console)
    else:
        ((name, device),) = devices.items()
        results = _measure_one(replace(plan, device=name), prepared, device, console)
    print_results(results, console)
    write_results(plan.output / RESULTS, results)
    atomic_write_text(plan.output / "results.md", result_markdown(results))
    atomic_write_text(plan.output / "report.html", result_page(results))
    for name in (RESULTS, "results.md", "report.html"):
        print_line(str(plan.output / name))
    return results


def _measure_one(plan: Plan, prepared: Sequence[Job | Skipped], device: Device, console: Console) -> list[Result]:
    with Live(console=console, transient=True, refresh_per_second=2) as live:

        def progress(parts: Sequence[tuple[Job, Turns]]) -> None:
            live.update(live_table(parts, plan.protocol))

        return measure(plan, prepared, device, progress)


def _numbers(text: str) -> tuple[int, ...]:
    try:
        numbers = tuple(dict.fromkeys(int(one) for one in text.split(",")))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise InputError(f"--threads {text[:40]!r}", expected="numbers from 1 as 1,2")
    return numbers
