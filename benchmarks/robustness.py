"""`python -m benchmarks.robustness`: J&F under fast motion, blur, changes of scale, occlusion and look-alikes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, pstdev
from typing import Annotated, Any

import numpy as np
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from benchmarks.agreement import JandF
from benchmarks.machine import describe_machine
from benchmarks.tables import rich_table
from mobilevos.commands.engine_options import (
    BundleOption,
    CheckpointOption,
    EngineOption,
    MemoryEveryOption,
    ThreadsOption,
    TrackingSetup,
)
from mobilevos.commands.entry import run
from mobilevos.commands.outputs import check_outputs
from mobilevos.data.synthetic import PLAIN, Difficulty, SyntheticClip
from mobilevos.files import atomic_file, atomic_write_text
from mobilevos.tracking import Tracker

__all__ = ["CONDITIONS", "Condition", "Result", "main", "measure", "plot", "score_clip", "to_json", "to_table"]

FRAMES = 24
SIZE = (160, 256)
OBJECTS = 1  # two that meet are a difficulty of their own

app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class Condition:
    """One row of the table.

    Attributes:
        name: What is hard.
        strength: How much of it, as text.
        difficulty: The same for the clip.
    """

    name: str
    strength: str
    difficulty: Difficulty


CONDITIONS = (
    Condition("plain", "-", PLAIN),
    *(Condition("fast motion", f"{speed}x", Difficulty(speed=speed)) for speed in (2, 4, 8)),
    *(Condition("motion blur", f"{frames} frames", Difficulty(exposure=frames)) for frames in (2, 4, 8)),
    *(Condition("growing", f"{scale}x", Difficulty(scale=scale)) for scale in (2, 4)),
    *(Condition("shrinking", f"{parts}x", Difficulty(scale=1 / parts)) for parts in (2, 4)),
    *(Condition("occlusion", f"{size}x", Difficulty(occluder=size)) for size in (0.5, 1, 2)),
    *(Condition("look-alikes", str(number), Difficulty(look_alikes=number)) for number in (1, 2, 4)),
)
"""Each property at growing strengths, the others plain."""


@dataclass(frozen=True)
class Result:
    """A condition's clips.

    Attributes:
        condition: What was hard.
        j_and_f: Of each clip, 0..1, by seed from 0.
    """

    condition: Condition
    j_and_f: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the clips, 0..1."""
        return fmean(self.j_and_f)


def score_clip(tracker: Tracker, clip: SyntheticClip, objects: int) -> float:
    """J&F of a clip, 0..1, with its first mask given; the first and the last frame do not count.

    Args:
        tracker: Reset here.
        clip: Three frames or more.
        objects: That the clip has.
    """
    score = JandF(range(1, objects + 1), len(clip))
    tracker.reset()
    for index, frame in enumerate(clip):
        truth = clip.mask(index)
        labels = tracker.step(frame, truth if index == 0 else None).labels.astype(np.uint8)
        score.add(index, labels, truth)
    mean = score.mean
    assert mean is not None, "three frames or more"
    return mean


def measure(
    tracker: Tracker, conditions: Sequence[Condition], seeds: int, size: tuple[int, int], console: Console
) -> Iterator[Result]:
    """Tracks clips of every condition, the same seeds in each.

    Args:
        tracker: Of the engine.
        conditions: The rows.
        seeds: Clips of each condition.
        size: Height and width of the clips, in pixels.
        console: For the progress bar.
    """
    for condition in progress(conditions, "conditions", console=console, transient=True):
        clips = (SyntheticClip(seed, FRAMES, size, OBJECTS, difficulty=condition.difficulty) for seed in range(seeds))
        yield Result(condition, tuple(score_clip(tracker, clip, OBJECTS) for clip in clips))


@app.command()
def robustness(
    engine: EngineOption = None,
    checkpoint: CheckpointOption = None,
    bundle: BundleOption = None,
    threads: ThreadsOption = 1,
    memory_every: MemoryEveryOption = 5,
    seeds: Annotated[int, typer.Option(min=1, help="Clips of each condition.")] = 4,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the results here.", metavar="FILE")] = None,
    output: Annotated[Path | None, typer.Option(help="Draw the results here, a PNG.", metavar="FILE")] = None,
) -> None:
    """Track synthetic clips that are hard in one way each, and compare J&F with plain clips of the same seeds.

    Clips are 24 frames of 256x160 with one object, or of the one size that a bundle takes. Synthetic clips tell
    networks apart and show what they fear; their J&F are not those of film.
    """
    check_outputs(files=[path for path in (json_file, output) if path], overwrite=True)
    console = Console()
    setup = TrackingSetup(engine, checkpoint, bundle, threads, memory_every)
    opened = setup.open_engine()
    size = opened.info.input_size or SIZE
    results = list(measure(setup.tracker(opened), CONDITIONS, seeds, size, console))
    title = f"{opened.info.name}: J&F of {seeds} clips each, {FRAMES} frames of {size[1]}x{size[0]}"
    console.print(to_table(results, title))
    if json_file:
        facts = {"machine": describe_machine(), **setup.provenance(opened)}
        facts |= {"seeds": seeds, "frames": FRAMES, "size": size, "objects": OBJECTS}
        atomic_write_text(json_file, json.dumps({**facts, "results": to_json(results)}, indent=2) + "\n")
    if output:
        plot(results, title, output)


def to_table(results: Sequence[Result], title: str) -> Table:
    """For the terminal; the first result is what the others are compared with."""
    plain = results[0].mean
    rows = [
        (
            result.condition.name,
            result.condition.strength,
            f"{100 * result.mean:.1f}",
            f"{100 * pstdev(result.j_and_f):.1f}",
            f"{100 * min(result.j_and_f):.1f}",
            f"{100 * (result.mean - plain):+.1f}",
        )
        for result in results
    ]
    return rich_table(title, ("clips", "strength", "J&F", "deviation", "worst", "against plain"), rows, text_columns=2)


def to_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    """For machines: J&F of each clip, 0..1, and their mean."""
    return [{**asdict(result), "mean": result.mean} for result in results]


def plot(results: Sequence[Result], title: str, path: Path) -> None:
    """Draws a bar for each result, with a dot for each clip."""
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    names = list(dict.fromkeys(result.condition.name for result in results))
    for place, result in enumerate(results):
        axes.bar(place, 100 * result.mean, color=f"C{names.index(result.condition.name)}", alpha=0.8)
        axes.plot([place] * len(result.j_and_f), [100 * value for value in result.j_and_f], "k.", markersize=4)
    labels = [f"{result.condition.name}\n{result.condition.strength}" for result in results]
    axes.set_xticks(range(len(results)), labels, rotation=60, ha="right", fontsize=8)
    axes.set(title=title, ylabel="J&F", ylim=(0, 100))
    axes.grid(axis="y", alpha=0.3)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m benchmarks.robustness`; gives the exit code."""
    return run(app, argv, program="benchmarks.robustness")


if __name__ == "__main__":
    sys.exit(main())
