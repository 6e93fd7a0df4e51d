"""`python -m benchmarks.loader`: does the training step ever wait for its data?"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import repeat
from pathlib import Path
from time import perf_counter
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe_machine
from benchmarks.tables import rich_table
from mobilevos.commands.entry import run
from mobilevos.data.clips import ClipBatch, ClipDataset, training_loader
from mobilevos.files import atomic_write_text
from mobilevos.training.config import compose_config
from mobilevos.training.distributed import Ranks
from mobilevos.training.sampling import sample_batches
from mobilevos.training.schema import RunConfig
from mobilevos.training.sources import build_source
from mobilevos.training.stages import STAGES
from mobilevos.training.state import initial_state
from mobilevos.training.step import Stepper

__all__ = ["LoaderSpeed", "Report", "main", "measure"]

WAITING_LIMIT = 0.05
_WORKERS = (0, 1, 2)

app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class LoaderSpeed:
    """The loader with a number of worker processes.

    Attributes:
        workers: 0 loads between two steps, in the training process.
        clips_per_second: Alone, with nobody training.
        waiting: Fraction of a step's time, 0..1, that it waits for clips when both run.
    """

    workers: int
    clips_per_second: float
    waiting: float

    @property
    def bottleneck(self) -> bool:
        """Whether the step waits for more than 5 % of its time."""
        return self.waiting > WAITING_LIMIT


@dataclass(frozen=True)
class Report:
    """The step beside the loader.

    Attributes:
        clips_per_second: Of the step alone, on one batch again and again.
        loaders: By number of workers, ascending.
        configured: The number of workers that the configuration asks for.
    """

    clips_per_second: float
    loaders: tuple[LoaderSpeed, ...]
    configured: int

    @property
    def verdict(self) -> LoaderSpeed:
        """The loader that the configuration asks for."""
        return next(loader for loader in self.loaders if loader.workers == self.configured)


def measure(config: RunConfig, device: torch.device, steps: int, console: Console) -> Report:
    """Times steps alone, the loader alone, and both together.

    Args:
        config: The run whose stage, network, clips and batches are taken.
        device: Of the step.
        steps: Timed steps of each measurement.
        console: Says what is being measured.
    """
    stage = STAGES[config.stage]
    stage.check(config)
    dataset = ClipDataset(build_source(config), config.seed)
    stepper = Stepper(initial_state(config, device), stage.objective(config, device), config, device, Ranks())
    batch_size = config.training.batch_size
    with console.status("step alone"):
        batch = next(_batches(config, dataset, workers=0, steps=1))
        seconds = [_seconds_of_step(stepper, repeat(batch)) for _ in range(1 + steps)]
    loaders = []
    for workers in sorted({*_WORKERS, config.data.workers}):
        with console.status(f"loader with {workers} workers"):
            alone = batch_size * steps / _loading_seconds(config, dataset, workers, steps)
            waiting = _waiting(config, dataset, stepper, workers, steps)
        loaders.append(LoaderSpeed(workers, alone, waiting))
    return Report(batch_size / statistics.median(seconds[1:]), tuple(loaders), config.data.workers)


def _batches(config: RunConfig, dataset: ClipDataset, workers: int, steps: int) -> Iterator[ClipBatch]:
    training = config.training
    numbers = sample_batches(0, steps, training.batch_size, training.accumulate, Ranks())
    return training_loader(dataset, numbers, workers)


def _warm_up(workers: int) -> int:
    """Steps until what was loaded ahead while the workers started is used up: two batches for each."""
    return 1 + 2 * workers


def _loading_seconds(config: RunConfig, dataset: ClipDataset, workers: int, steps: int) -> float:
    batches = _batches(config, dataset, workers, _warm_up(workers) + steps)
    for _ in range(_warm_up(workers) * config.training.accumulate):
        next(batches)
    start = perf_counter()
    for _ in batches:
        pass
    return perf_counter() - start


def _waiting(config: RunConfig, dataset: ClipDataset, stepper: Stepper, workers: int, steps: int) -> float:
    batches = _Stopwatch(_batches(config, dataset, workers, _warm_up(workers) + steps))
    for _ in range(_warm_up(workers)):
        stepper.step(batches)
    batches.seconds = 0.0
    total = sum(_seconds_of_step(stepper, batches) for _ in range(steps))
    return batches.seconds / total


def _seconds_of_step(stepper: Stepper, batches: Iterator[ClipBatch]) -> float:
    start = perf_counter()
    stepper.step(batches)  # ends with numbers on the host, so a GPU has done its work, too
    return perf_counter() - start


class _Stopwatch(Iterator[ClipBatch]):
    """Batches, and the seconds that were spent waiting for them."""

    def __init__(self, batches: Iterator[ClipBatch]) -> None:
        self.batches, self.seconds = batches, 0.0

    def __next__(self) -> ClipBatch:
        start = perf_counter()
        batch = next(self.batches)
        self.seconds += perf_counter() - start
        return batch


@app.command()
def loader(
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="The run, as for `mobilevos train`.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Timed steps of each measurement.")] = 6,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the report as JSON.")] = None,
) -> None:
    """Compare the clips that the loader gives with those that the training step takes, in clips per second.

    Both alone, with 0, 1, 2 and data.workers worker processes, and both together, which counts: on a machine without
    a GPU they share the cores. Exits with 1 if the step waits for more than 5 % of its time with data.workers workers.
    """
    config = compose_config(overrides or [])
    if config.training.threads:
        torch.set_num_threads(config.training.threads)
    device = torch.device("cuda" if config.device != "cpu" and torch.cuda.is_available() else "cpu")
    console = Console()
    report = measure(config, device, steps, console)
    console.print(_table(report, config, device))
    console.print(_sentence(report), soft_wrap=True, highlight=False)
    if json_path is not None:
        facts = {"machine": describe_machine(), "device": str(device), "stage": config.stage, "steps": steps}
        facts |= {"batch_size": config.training.batch_size, "crop": config.data.crop, "frames": config.data.frames}
        facts |= {"threads": torch.get_num_threads(), "bottleneck": report.verdict.bottleneck, **asdict(report)}
        atomic_write_text(json_path, json.dumps(facts, indent=2) + "\n")
    if report.verdict.bottleneck:
        raise typer.Exit(1)


def _table(report: Report, config: RunConfig, device: torch.device) -> Table:
    rows = [
        (
            str(one.workers),
            f"{one.clips_per_second:.2f}",
            f"{one.clips_per_second / report.clips_per_second:.2f}",
            f"{one.waiting:.1%}",
        )
        for one in report.loaders
    ]
    shape = (
        f"{config.training.batch_size} clips of {config.data.frames} frames at {config.data.crop}x{config.data.crop}"
    )
    title = f"stage {config.stage}, {shape}; the step takes {report.clips_per_second:.2f} clips/s on {device}"
    return rich_table(title, ("workers", "loader clips/s", "of the step's", "step waits"), rows)


def _sentence(report: Report) -> str:
    one = report.verdict
    judged = "the loader is the bottleneck" if one.bottleneck else "the loader is not the bottleneck"
    remedy = "; raise data.workers" if one.bottleneck else ""
    return f"data.workers={one.workers}: the step waits {one.waiting:.1%} of its time, {judged}{remedy}"


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m benchmarks.loader`; gives the exit code."""
    return run(app, argv, program="benchmarks.loader")


if __name__ == "__main__":
    sys.exit(main())
