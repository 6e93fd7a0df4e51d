"""`python -m benchmarks long`: clips of a thousand frames, many objects, large frames, more memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.clip_folder import write_clip
from benchmarks.clips import synthetic_clip
from benchmarks.growth import LongRun, growth, run_long
from benchmarks.host import Host, command_of
from benchmarks.jobs import CONTESTANTS, Job, Skipped, Workload, prepare
from benchmarks.long_report import GROWTH_HEADERS, SWEEP_HEADERS, growth_rows, long_json, long_page, sweep_rows
from benchmarks.provenance import provenance
from benchmarks.run_command import FOLDER, names
from benchmarks.sweeps import SWEEPS, Point, Sweep, measure_sweep
from benchmarks.tables import rich_table
from mobilevos.commands.console import print_line
from mobilevos.files import atomic_write_text
from mobilevos.frame_size import parse_size

__all__ = ["measure_long", "track_long_clip"]

_MEMORY_EVERY = 5


def measure_long(
    targets: Annotated[str, typer.Option(metavar="NAMES", help=f"Some of {','.join(CONTESTANTS)}.")] = "eager,litert",
    precision: Annotated[str, typer.Option(metavar="fp32|fp16|int8", help="Of the bundles.")] = "fp32",
    frames: Annotated[int, typer.Option(min=0, help="Of the long clip; 0 for none.")] = 1000,
    size: Annotated[str, typer.Option(help="HEIGHTxWIDTH of the long clip.")] = "96x160",
    objects: Annotated[int, typer.Option(min=1, help="In the long clip.")] = 2,
    sweeps: Annotated[str, typer.Option(metavar="NAMES|none", help=f"Some of {','.join(SWEEPS)}.")] = ",".join(SWEEPS),
    steps: Annotated[int, typer.Option(min=4, help="Timed steps of each size of a sweep.")] = 32,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of every engine.")] = 1,
    checkpoint: Annotated[Path | None, typer.Option(help="The network; the shipped student by default.")] = None,
    int8_checkpoint: Annotated[Path | None, typer.Option(help="The network with ranges, for int8.")] = None,
    bundles: Annotated[Path | None, typer.Option(help="Folder of the bundles; OUTPUT/bundles by default.")] = None,
    output: Annotated[Path, typer.Option(help="Folder of the results.")] = FOLDER,
) -> None:
    """Track a long clip, and clips of growing sizes, with every engine.

    Exits with 1 if over the long clip memory grew by more than 2 % or the step time by more than 5 %.
    """
    console = Console()
    chosen = names(targets, tuple(CONTESTANTS), "--targets")
    wanted = () if sweeps == "none" else names(sweeps, tuple(SWEEPS), "--sweeps")

    def made(target: str, workload: Workload) -> Job | None:
        with console.status(f"{target} {precision}, {workload.text}: looking for its bundle"):
            folder = bundles or output / "bundles"
            job = prepare(target, precision, workload, folder, checkpoint=checkpoint, int8_checkpoint=int8_checkpoint)
        if isinstance(job, Skipped):
            console.print(f"skipped: {target} {precision}: {job.reason}", markup=False, highlight=False)
            return None
        return job

    output.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=output, prefix=".long-") as temporary:
        folder = Path(temporary)
        workload = Workload(parse_size(size), objects)
        runs = {}
        for target in chosen if frames else ():
            if job := made(target, workload):
                runs[job.name] = track_long_clip(job, folder / job.name, frames, threads, console)
        found = {}
        for name in wanted:
            sweep = SWEEPS[name]
            jobs = [
                (label, job)
                for target in chosen
                for label, workload in sweep.workloads.items()
                if (job := made(target, workload))
            ]
            if jobs:
                found[name] = _sweep(sweep, jobs, folder / name, threads, steps, console)
    facts = {"frames": frames, "size": size, "objects": objects, "threads": threads, **provenance(Host().describe())}
    _report(runs, found, facts, output, console)


def track_long_clip(job: Job, folder: Path, frames: int, threads: int, console: Console) -> LongRun:
    """One job on a synthetic clip from end to end, behind a progress bar.

    Args:
        job: What to run.
        folder: Of the clip and the records.
        frames: Of the clip.
        threads: CPU threads.
        console: For the bar.

    Raises:
        InputError: The clip is too short, or a process ended.
    """
    clip = synthetic_clip(frames, job.workload.size, job.workload.objects)
    raw = write_clip(folder / "clip", clip.frames, {0: clip.first_mask}, _MEMORY_EVERY)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(f"{job.name}: {frames} frames", total=frames)
        return run_long(
            job.name,
            lambda output: command_of(job, raw.folder, output, threads, 0),
            folder,
            frames,
            _MEMORY_EVERY,
            advance=lambda: progress.advance(task),
        )


def _sweep(
    sweep: Sweep, jobs: Sequence[tuple[str, Job]], folder: Path, threads: int, steps: int, console: Console
) -> list[Point]:
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(f"cost of {sweep.name}", total=None)
        return measure_sweep(sweep, jobs, folder, threads=threads, steps=steps, watch=lambda: progress.advance(task))


def _report(
    runs: dict[str, LongRun], sweeps: dict[str, list[Point]], facts: dict[str, object], output: Path, console: Console
) -> None:
    if runs:
        console.print(rich_table(f"{facts['frames']} frames of {facts['size']}", GROWTH_HEADERS, growth_rows(runs)))
    for name, points in sweeps.items():
        console.print(rich_table(f"cost of {name}", SWEEP_HEADERS, sweep_rows(points), text_columns=2))
    atomic_write_text(output / "long.json", json.dumps(long_json(runs, sweeps, facts)) + "\n")
    atomic_write_text(output / "long.html", long_page(runs, sweeps, facts))
    for name in ("long.json", "long.html"):
        print_line(str(output / name))
    if any(not growth(run).flat for run in runs.values()):
        raise typer.Exit(1)
