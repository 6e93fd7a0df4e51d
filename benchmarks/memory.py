"""`python -m benchmarks.memory`: a long clip must cost no more memory and time at its end than at its start."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter_ns
from typing import Annotated

import numpy as np
import psutil
import typer
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track as progress

from benchmarks.machine import describe_machine
from benchmarks.tables import rich_table
from export.executorch import parse_size
from mobilevos.commands.entry import run
from mobilevos.data.synthetic import SyntheticClip
from mobilevos.engines import open_engine
from mobilevos.files import atomic_file, atomic_write_text
from mobilevos.tracking import Tracker

__all__ = ["Growth", "growth", "main", "measure"]

MEMORY_LIMIT = 1.02
TIME_LIMIT = 1.05
_WARM_UP = 10
_CONTROL_LENGTH = 50  # a multiple of the frames between two memorised ones, so that both memorise the same frames

app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class Growth:
    """What changed over a long clip.

    Attributes:
        early_bytes: Resident memory of the process at the early frame.
        late_bytes: At the last frame.
        early_time: Median of a step's time, relative to the control's, over the first frames after the warm-up.
        late_time: The same over as many last frames.
    """

    early_bytes: int
    late_bytes: int
    early_time: float
    late_time: float

    @property
    def memory_ratio(self) -> float:
        """Memory late over early."""
        return self.late_bytes / self.early_bytes

    @property
    def time_ratio(self) -> float:
        """Step time late over early."""
        return self.late_time / self.early_time

    @property
    def flat(self) -> bool:
        """Whether neither grew by more than its limit."""
        return self.memory_ratio <= MEMORY_LIMIT and self.time_ratio <= TIME_LIMIT


@dataclass(frozen=True)
class LongRun:
    """What was seen at each step.

    Attributes:
        resident: Bytes of this process after it.
        step_ms: Milliseconds.
        relative: The same, over the milliseconds of the control, which stepped the same frame right before or after.
    """

    resident: list[int]
    step_ms: list[float]
    relative: list[float]


def measure(tracker: Tracker, control: Tracker, frames: Iterable[NDArray[np.uint8]], clip: SyntheticClip) -> LongRun:
    """Tracks a clip twice in turn: once as it is, once by a control that starts anew every 50 frames.

    The control is always young, so what both share (a busy machine, a frame's content) cancels in the ratio of their
    times, and what remains is age.

    Args:
        tracker: Tracks the whole clip.
        control: Of the same engine.
        frames: The clip's, in order.
        clip: Gives the masks.
    """
    process = psutil.Process()
    run = LongRun([], [], [])
    for index, frame in enumerate(frames):
        restart = index % _CONTROL_LENGTH == 0
        if restart:
            control.reset()
        contestants = [(tracker, index == 0), (control, restart)]
        spent = {}
        for one, starts in contestants if index % 2 else reversed(contestants):
            mask = clip.mask(index) if starts else None
            start = perf_counter_ns()
            one.step(frame, mask)
            spent[one] = (perf_counter_ns() - start) / 1e6
        run.step_ms.append(spent[tracker])
        run.relative.append(spent[tracker] / spent[control])
        run.resident.append(process.memory_info().rss)
    return run


def growth(resident: list[int], relative: list[float], early: int) -> Growth:
    """Compares frame `early` (counted from 1) with the last, and the first steps with the last.

    Args:
        resident: Bytes after each step, more than `early`.
        relative: Time of each step, relative to the control's.
        early: The frame, beyond the warm-up of 10; as many steps are compared.
    """
    return Growth(
        resident[early - 1],
        resident[-1],
        statistics.median(relative[_WARM_UP : _WARM_UP + early]),
        statistics.median(relative[-early:]),
    )


@app.command()
def memory(
    frames: Annotated[int, typer.Option(min=111, help="Length of the clip.")] = 1000,
    size: Annotated[
        str, typer.Option(help="Frame size HEIGHTxWIDTH; that of the bundle, where one is given.")
    ] = "96x160",
    objects: Annotated[int, typer.Option(min=1, help="Objects to track.")] = 2,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Of the eager engine; the shipped student by default.")
    ] = None,
    bundle: Annotated[Path | None, typer.Option(help="Run this ExecuTorch bundle instead.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the engine.")] = 1,
    output: Annotated[Path, typer.Option(help="Folder of the report and the plot.")] = Path("build/benchmarks"),
) -> None:
    """Track a long synthetic clip and compare memory and time at frame 100 with those at its end.

    Exits with 1 if the memory grew by more than 2 % or the step time by more than 5 %.
    """
    console = Console()
    height, width = parse_size(size)
    engine = open_engine("executorch" if bundle else "eager", checkpoint=checkpoint, bundle=bundle, threads=threads)
    clip = SyntheticClip(0, frames, engine.info.input_size or (height, width), objects)
    shown = progress(clip, engine.info.name, total=frames, console=console, transient=True)
    seen = measure(Tracker(engine), Tracker(engine), shown, clip)
    result = growth(seen.resident, seen.relative, early=100)

    early, late = (f"{size / 1e6:.1f} MB" for size in (result.early_bytes, result.late_bytes))
    rows = [("resident memory", early, late, f"{result.memory_ratio:.3f}", f"{MEMORY_LIMIT}")]
    early, late = (f"{time:.3f}" for time in (result.early_time, result.late_time))
    rows.append(("step / young control, median of 100", early, late, f"{result.time_ratio:.3f}", f"{TIME_LIMIT}"))
    title = f"{engine.info.name}, {frames} frames of {clip.size[0]}x{clip.size[1]}, {objects} objects"
    console.print(rich_table(title, ("", "frame 100", f"frame {frames}", "ratio", "limit"), rows))
    report = {"engine": engine.describe(), "machine": describe_machine(), "frames": frames, "size": clip.size}
    report |= {"objects": objects, "threads": threads, "flat": result.flat, **asdict(result)}
    report |= {"resident_bytes": seen.resident, "step_ms": seen.step_ms, "relative_step": seen.relative}
    atomic_write_text(output / "memory.json", json.dumps(report) + "\n")
    _plot(seen.resident, seen.step_ms, title, output / "memory.png")
    console.print(f"report: {output / 'memory.json'}, plot: {output / 'memory.png'}", soft_wrap=True, highlight=False)
    if not result.flat:
        raise typer.Exit(1)


def _plot(resident: list[int], step_ms: list[float], title: str, path: Path) -> None:
    figure = Figure(figsize=(8, 5), layout="constrained")
    top, bottom = figure.subplots(2, sharex=True)
    top.plot(np.array(resident) / 1e6)
    top.set(title=title, ylabel="resident memory, MB", ylim=(0, max(resident) / 1e6 * 1.1))
    bottom.plot(step_ms, linewidth=0.5)
    bottom.set(xlabel="frame", ylabel="step, ms", ylim=(0, float(np.percentile(step_ms, 99)) * 1.3))
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=120)


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m benchmarks.memory`; gives the exit code."""
    return run(app, argv, program="benchmarks.memory")


if __name__ == "__main__":
    sys.exit(main())
