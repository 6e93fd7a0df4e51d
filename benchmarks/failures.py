"""`python -m benchmarks.failures`: a picture of the clips that `python -m benchmarks.robustness` found hardest."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from mobilevos.commands.engine_options import BundleOption, CheckpointOption, EngineOption, ThreadsOption, TrackingSetup
from mobilevos.commands.entry import run
from mobilevos.data.synthetic import Difficulty, SyntheticClip
from mobilevos.errors import InputError
from mobilevos.tracking import Tracker
from mobilevos.visualization import contact_sheet, overlay, write_image

__all__ = ["HardClip", "hardest_clips", "pictures"]

COLUMNS = 6
CELL_WIDTH = 160

Picture = NDArray[np.uint8]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@dataclass(frozen=True)
class HardClip:
    """A clip of a condition.

    Attributes:
        title: The condition and its strength.
        difficulty: Of the clip.
        seed: Of the clip.
        j_and_f: What an engine reached on it, 0..1.
    """

    title: str
    difficulty: Difficulty
    seed: int
    j_and_f: float


def hardest_clips(results: list[dict[str, Any]], number: int) -> list[HardClip]:
    """The worst clip of each of the hardest conditions, no two of one name, the hardest first.

    Args:
        results: As `benchmarks.robustness.to_json` gives them.
        number: How many, at the most.
    """
    hardest: dict[str, dict[str, Any]] = {}
    for one in sorted(results, key=lambda one: fmean(one["j_and_f"])):
        hardest.setdefault(one["condition"]["name"], one)
    clips = []
    for one in list(hardest.values())[:number]:
        scores, condition = one["j_and_f"], one["condition"]
        title = f"{condition['name']} {condition['strength']}"
        clips.append(HardClip(title, Difficulty(**condition["difficulty"]), int(np.argmin(scores)), min(scores)))
    return clips


def pictures(tracker: Tracker, clip: SyntheticClip) -> tuple[list[Picture], list[Picture]]:
    """`COLUMNS` frames spread over a clip: with the true masks, and with the tracker's."""
    shown = set(np.linspace(0, len(clip) - 1, COLUMNS).round().astype(int).tolist())
    truths, masks = [], []
    tracker.reset()
    for index, frame in enumerate(clip):
        truth = clip.mask(index)
        labels = tracker.step(frame, truth if index == 0 else None).labels.astype(np.uint8)
        if index in shown:
            truths.append(overlay(frame, truth))
            masks.append(overlay(frame, labels))
    return truths, masks


@app.command()
def failures(
    robustness: Annotated[Path, typer.Argument(help="What `python -m benchmarks.robustness --json` wrote.")],
    engine: EngineOption = None,
    checkpoint: CheckpointOption = None,
    bundle: BundleOption = None,
    threads: ThreadsOption = 1,
    number: Annotated[int, typer.Option(min=1, help="Clips to show.")] = 3,
    output: Annotated[Path, typer.Option(help="The picture, a PNG.")] = Path("build/benchmarks/failures.png"),
) -> None:
    """Draw the worst clip of each of the hardest conditions: the true masks above, the engine's below."""
    try:
        report = json.loads(robustness.read_text())
        clips, size, frames, objects = report["results"], tuple(report["size"]), report["frames"], report["objects"]
        hardest = hardest_clips(clips, number)
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = "make it with `python -m benchmarks.robustness --json FILE`"
        raise InputError(f"{robustness} is no robustness report", found=type(error).__name__, remedy=remedy) from error
    setup = TrackingSetup(engine, checkpoint, bundle, threads)
    tracker = setup.tracker(setup.open_engine())
    rows: dict[str, list[Picture]] = {}
    for one in hardest:
        clip = SyntheticClip(one.seed, frames, size, objects, difficulty=one.difficulty)
        truths, masks = pictures(tracker, clip)
        rows |= {f"{one.title}: truth": truths, f"J&F {100 * one.j_and_f:.0f}": masks}
    columns = [f"{100 * place // (COLUMNS - 1)} %" for place in range(COLUMNS)]
    write_image(output, contact_sheet(rows, columns, cell_width=CELL_WIDTH))


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m benchmarks.failures`; gives the exit code."""
    return run(app, argv, program="benchmarks.failures")


if __name__ == "__main__":
    sys.exit(main())
