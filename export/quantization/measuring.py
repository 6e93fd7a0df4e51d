"""Measuring the sensitivity of layers behind a progress bar, for the commands that want it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from export.quantization.frame_pairs import read_pairs
from export.quantization.sensitivity import Sensitivity, measure_sensitivity
from mobilevos.contract import Dimensions
from mobilevos.files import sha256_of
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.stored import StoredQuantization

__all__ = ["PAIRS", "measure_on"]

PAIRS = 2
"""Pairs of frames, unless a command says otherwise."""


def measure_on(
    folder: Path,
    network: MemoryNetwork,
    dimensions: Dimensions,
    stored: StoredQuantization,
    checkpoint: Path,
    console: Console,
    pairs: int = PAIRS,
) -> Sensitivity:
    """Measures every layer on pairs of frames of a folder.

    Args:
        folder: See `read_pairs`.
        network: A student.
        dimensions: Of the frames; the number of objects is of no account.
        stored: The network's ranges.
        checkpoint: Of the network.
        console: For the progress bar.
        pairs: How many.

    Raises:
        InputError: The folder cannot be used, or a layer has no range.
    """
    one_object = replace(dimensions, objects=1)
    chosen = read_pairs(folder, pairs, one_object)
    source, sha256 = folder.resolve().name, sha256_of(checkpoint)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("tracing the network")

        def advance(layer: str, done: int, total: int) -> None:
            progress.update(task, description=f"measuring {layer}", completed=done, total=total)

        specification = stored.specification
        return measure_sensitivity(network, one_object, specification, stored.ranges, chosen, source, sha256, advance)
