"""`python -m export.quantization sensitivity`: which layers int8 costs most in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from export.command import Student, write_json
from export.options import CommonOptions
from export.quantization.closed_loop_scores import closed_loop_scores, davis_sequences
from export.quantization.measuring import PAIRS, measure_on
from export.quantization.pictures import sensitivity_picture
from export.quantization.section import INT8
from export.quantization.sensitivity_table import sensitivity_table
from export.quantization.worst_layers import worst_of
from mobilevos.commands.observer_option import ObserverOption
from mobilevos.commands.outputs import check_outputs
from mobilevos.data.sequence import Sequence
from mobilevos.errors import InputError
from mobilevos.evaluation import DatasetScore
from mobilevos.files import atomic_write_bytes
from mobilevos.quantization.specification import DEFAULT_OBSERVER

__all__ = ["sensitivity"]


def sensitivity(
    checkpoint: Annotated[
        Path | None, typer.Option(help="The network; the shipped student by default.", metavar="FILE")
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A DAVIS tree or images to find ranges on; the checkpoint's own by default."),
    ] = None,
    calibration_frames: Annotated[int, typer.Option(min=1, metavar="N", help="Frames of it to look at.")] = 64,
    observer: ObserverOption = DEFAULT_OBSERVER.value,
    frames: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A DAVIS tree or images to measure on; those of --calibration by default."),
    ] = None,
    pairs: Annotated[
        int, typer.Option(min=1, metavar="N", help="Pairs of frames to measure on, of a clip each.")
    ] = PAIRS,
    size: Annotated[str, typer.Option(help="Frame size HEIGHTxWIDTH; raised to multiples of 16.")] = "480x864",
    top: Annotated[
        int, typer.Option(min=1, metavar="K", help="Layers to show, and to keep in float for --davis.")
    ] = 10,
    davis: Annotated[
        Path | None,
        typer.Option(metavar="ROOT", help="Then also track DAVIS in float, in int8, and with the K worst in float."),
    ] = None,
    sequences: Annotated[str | None, typer.Option(metavar="A,B", help="Only these sequences of it.")] = None,
    json: Annotated[
        Path | None, typer.Option(help="Write the ranking to this file, for an export's --sensitivity.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Also draw it as PNG to this file.")] = None,
) -> None:
    """Rank the layers by what int8 costs in them: each alone in int8, and each alone back in float.

    The first frame of a clip is memorised with its mask and a later one is segmented, in PyTorch, with one layer
    changed at a time. The layers at the top are those worth keeping in float: `python -m export.TARGET --precision int8
    --keep-float-worst K --sensitivity FILE` does so.

    Example: python -m export.quantization sensitivity --calibration DAVIS --json build/sensitivity.json
    """
    console, measured_on = Console(), frames or calibration
    check_outputs(files=[one for one in (json, picture) if one is not None], overwrite=True)
    if measured_on is None:
        raise InputError("there is nothing to measure on", remedy="pass --frames DIR, or --calibration DIR")
    clips = [] if davis is None else davis_sequences(davis, sequences)
    options = CommonOptions(
        checkpoint=checkpoint,
        size=size,
        precision=INT8,
        calibration=calibration,
        calibration_frames=calibration_frames,
        observer=observer,
    )
    student = Student.load(options, console)
    network, stored = student.reference.network, student.reference.quantization
    assert stored is not None
    order = [name for name, _ in network.named_modules()]
    found = measure_on(measured_on, network, student.reference.dimensions, stored, student.checkpoint, console, pairs)
    worst = worst_of(tuple(one.layer for one in found.layers), min(top, len(found.layers)))
    console.print(sensitivity_table(found, top))
    scores = _track(student, worst, clips, console) if clips else {}
    if scores:
        console.print(_score_table(scores))
    if json is not None:
        write_json(json, found.to_json() | {"closed_loop": {name: one.to_json() for name, one in scores.items()}})
    if picture is not None:
        ranked = sorted((one.layer for one in found.layers), key=order.index)
        atomic_write_bytes(picture, sensitivity_picture(found, ranked))


def _track(
    student: Student, worst: tuple[str, ...], sequences: list[Sequence], console: Console
) -> dict[str, DatasetScore]:
    """Behind a progress bar."""
    stored = student.reference.quantization
    assert stored is not None
    total = 3 * sum(len(one.frames) for one in sequences)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("tracking", total=total)

        def advance(what: str, frames: int) -> None:
            progress.update(task, description=f"tracking in {what}", advance=frames)

        return closed_loop_scores(student.reference.network, stored, worst, sequences, advance)


def _score_table(scores: dict[str, DatasetScore]) -> Table:
    table = Table(title="closed loop, DAVIS 2016", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("the network")
    for column in ("J&F", "J", "F"):
        table.add_column(column, justify="right")
    for name, one in scores.items():
        table.add_row(name, *(f"{100 * value:.1f}" for value in (one.j_and_f, one.j.mean, one.f.mean)))
    return table
