"""`python -m benchmarks long`: clips of a thousand frames, many objects, large frames, more memory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.clip_folder import write_clip
from benchmarks.clips import synthetic_clip
from benchmarks.growth import LongRun, growth, run_long
from benchmarks.host import Host, command_of
from benchmarks.jobs import CONTESTANTS, Job, Skipped, Workload, prepare
from benchmarks.long_report import (
    GROWTH_HEADERS,
    SWEEP_HEADERS,
    growth_rows,
    long_json,
    long_page,
    sweep_facts,
    sweep_rows,
)
from benchmarks.provenance import provenance
from benchmarks.run_command import FOLDER, names, one_precision
from benchmarks.sweeps import SWEEPS, Point, measure_sweep
from benchmarks.tables import rich_table
from mobilevos.commands.console import print_line
from mobilevos.files import atomic_write_text
from mobilevos.frame_size import parse_size

__all__ = ["LongPlan", "measure_long", "measure_sweeps", "track_long_clips"]

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

    Each size is a point of a curve, shorter than a valid run of the harness, and the reports say so.

    Exits with 1 if over the long clip memory grew by more than 2 % or the step time by more than 5 %.
    """
    console = Console()
    plan = LongPlan(
        targets=names(targets, tuple(CONTESTANTS), "--targets"),
        precision=one_precision(precision),
        frames=frames,
        clip=Workload(parse_size(size), objects),
        sweeps=() if sweeps == "none" else names(sweeps, tuple(SWEEPS), "--sweeps"),
        steps=steps,
        threads=threads,
        bundles=bundles or output / "bundles",
        checkpoint=checkpoint,
        int8_checkpoint=int8_checkpoint,
    )
    output.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=output, prefix=".long-") as folder:
        runs = track_long_clips(plan, Path(folder), console)
        found = measure_sweeps(plan, Path(folder), console)
    sizes = {"frames": frames, "size": size, "objects": objects, "threads": threads}
    facts = {**sizes, "sweep_protocol": sweep_facts(steps), **provenance(Host().describe())}
    _report(runs, found, facts, output, console)


@dataclass(frozen=True)
class LongPlan:
    """What is to be measured.

    Attributes:
        targets: Names of `benchmarks.jobs.CONTESTANTS`.
        precision: Of their bundles.
        frames: Of the long clip; 0 for none.
        clip: Its sizes.
        sweeps: Names of `benchmarks.sweeps.SWEEPS`.
        steps: Timed steps of each size of a sweep.
        threads: CPU threads of every engine.
        bundles: Folder of the bundles.
        checkpoint: The network; None for the shipped student.
        int8_checkpoint: The network with ranges; None for the shipped one.
    """

    targets: tuple[str, ...]
    precision: str
    frames: int
    clip: Workload
    sweeps: tuple[str, ...]
    steps: int
    threads: int
    bundles: Path
    checkpoint: Path | None = None
    int8_checkpoint: Path | None = None

    def job(self, target: str, workload: Workload, console: Console) -> Job | None:
        """A target at some sizes; None, and a line, where it cannot be measured."""
        with console.status(f"{target} {self.precision}, {workload.text}: looking for its bundle"):
            job = prepare(
                target,
                self.precision,
                workload,
                self.bundles,
                checkpoint=self.checkpoint,
                int8_checkpoint=self.int8_checkpoint,
            )
        if isinstance(job, Skipped):
            text = f"skipped: {target} {self.precision}: {job.reason}"
            console.print(text, markup=False, highlight=False)
            return None
        return job


def track_long_clips(plan: LongPlan, folder: Path, console: Console) -> dict[str, LongRun]:
    """The long clip with each target, by the job's name.

    Args:
        plan: What is to be measured.
        folder: Of clips and records, which may be removed then.
        console: For the progress bars.

    Raises:
        InputError: The clip is too short, or a process ended.
    """
    chosen = plan.targets if plan.frames else ()
    jobs = [job for target in chosen if (job := plan.job(target, plan.clip, console))]
    return {job.name: _track_long_clip(job, folder / job.name, plan.frames, plan.threads, console) for job in jobs}


def measure_sweeps(plan: LongPlan, folder: Path, console: Console) -> dict[str, list[Point]]:
    """Every size of each sweep with each target, by the sweep's name; see `track_long_clips`."""
    found = {}
    for name in plan.sweeps:
        sweep = SWEEPS[name]
        jobs = [
            (label, job)
            for target in plan.targets
            for label, workload in sweep.workloads.items()
            if (job := plan.job(target, workload, console))
        ]
        if jobs:
            with Progress(console=console, transient=True) as progress:
                task = progress.add_task(f"cost of {name}", total=None)
                found[name] = measure_sweep(
                    sweep,
                    jobs,
                    folder / name,
                    threads=plan.threads,
                    steps=plan.steps,
                    watch=lambda progress=progress, task=task: progress.advance(task),  # type: ignore[misc]
                )
    return found


def _track_long_clip(job: Job, folder: Path, frames: int, threads: int, console: Console) -> LongRun:
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


def _report(
    runs: dict[str, LongRun], sweeps: dict[str, list[Point]], facts: dict[str, Any], output: Path, console: Console
) -> None:
    if runs:
        console.print(rich_table(f"{facts['frames']} frames of {facts['size']}", GROWTH_HEADERS, growth_rows(runs)))
    for name, points in sweeps.items():
        note = facts["sweep_protocol"]["note"]
        console.print(rich_table(f"cost of {name}", SWEEP_HEADERS, sweep_rows(points), text_columns=2, caption=note))
    atomic_write_text(output / "long.json", json.dumps(long_json(runs, sweeps, facts)) + "\n")
    atomic_write_text(output / "long.html", long_page(runs, sweeps, facts))
    for name in ("long.json", "long.html"):
        print_line(str(output / name))
    if any(not growth(run).flat for run in runs.values()):
        raise typer.Exit(1)
