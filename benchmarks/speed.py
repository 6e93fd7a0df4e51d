"""`python -m benchmarks.speed`: the reference and its export on one clip in one loop, in milliseconds and GFLOP/s."""

from __future__ import annotations

import json
import sys
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track as progress

from benchmarks.bundles import ensure_bundle
from benchmarks.in_turn import Contestant, SingleComponents, track_in_turn
from benchmarks.machine import MatrixProduct
from benchmarks.macs import component_gmacs
from benchmarks.speed_report import SpeedReport, explanation, markdown, to_json, to_table
from export.executorch import parse_size
from mobilevos.commands.entry import run
from mobilevos.data.synthetic import SyntheticClip
from mobilevos.engines import Engine, TimedEngine
from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.executorch import ExecutorchEngine
from mobilevos.files import atomic_write_text
from mobilevos.model.checkpoint import load_network
from mobilevos.weights import default_checkpoint

__all__ = ["main", "measure_speed"]

WARM_UP = 6  # steps, of which the memory encoder runs in two
MEMORY_EVERY = 5

app = typer.Typer(add_completion=False)


def measure_speed(
    engines: list[Engine], clip: SyntheticClip, gmacs: dict[str, float], threads: int, console: Console
) -> SpeedReport:
    """Tracks a clip with several engines, one step each in turn, with matrix products in between.

    A quarter of the steps is then repeated with every component called alone.

    Args:
        engines: The first is the reference.
        clip: With the frames of the warm-up in front.
        gmacs: Multiply-accumulates of each component, in units of 1e9.
        threads: That the engines were given.
        console: For the progress bars.
    """
    limit = MatrixProduct()
    fused = [Contestant(TimedEngine(engine)) for engine in engines]
    steps = track_in_turn(fused, clip, clip.mask(0))
    for _ in progress(steps, "whole steps", total=len(clip), console=console, transient=True):
        limit.sample()
    single = [Contestant(SingleComponents(engine)) for engine in engines]
    count = WARM_UP + (len(clip) - WARM_UP) // 4
    steps = track_in_turn(single, islice(clip, count), clip.mask(0))
    for _ in progress(steps, "single components", total=count, console=console, transient=True):
        limit.sample()
    return SpeedReport.of(fused, single, gmacs, limit.gflops, WARM_UP, MEMORY_EVERY, threads)


@app.command()
def speed(
    checkpoint: Annotated[Path | None, typer.Option(help="The network; the shipped student by default.")] = None,
    size: Annotated[str, typer.Option(help="Frame size HEIGHTxWIDTH.")] = "480x864",
    steps: Annotated[int, typer.Option(min=8, help="Timed steps of each engine.")] = 128,
    threads: Annotated[int, typer.Option(min=1, help="Threads of every engine.")] = 2,
    output: Annotated[Path, typer.Option(help="Folder of the bundle and the reports.")] = Path("build/benchmarks"),
) -> None:
    """Compare PyTorch (eager, channels-last) with ExecuTorch: one object, two memory frames, memory every 5 frames.

    Both run in this process: ExecuTorch's Python runtime needs PyTorch's tensors. Their thread pools get in each
    other's way, so a process without PyTorch would run ExecuTorch somewhat faster.
    """
    console = Console()
    source, frame_size = checkpoint or default_checkpoint(), parse_size(size)
    with console.status("exporting, unless a current bundle is there"):
        bundle, _ = ensure_bundle(output / "bundle", source, frame_size, objects=1)
    network = load_network(source)
    gmacs = component_gmacs(network, bundle.dimensions)
    engines = [EagerEngine(network, threads=threads), ExecutorchEngine(bundle, threads=threads)]
    clip = SyntheticClip(0, WARM_UP + steps, frame_size, objects=1)
    report = measure_speed(engines, clip, gmacs, threads, console)
    console.print(to_table(report))
    console.print(explanation(report), highlight=False)
    atomic_write_text(output / "speed.json", json.dumps(to_json(report, bundle), indent=2) + "\n")
    atomic_write_text(output / "speed.md", markdown(report))
    console.print(f"reports: {output / 'speed.json'}, {output / 'speed.md'}", soft_wrap=True, highlight=False)


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m benchmarks.speed`; gives the exit code."""
    return run(app, argv, program="benchmarks.speed")


if __name__ == "__main__":
    sys.exit(main())
