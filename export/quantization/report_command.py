"""`python -m export.quantization report BUNDLE...`: what each layer of the network became in each bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from export.command import write_json
from export.made_of import network_of
from export.quantization.page import placement_page
from export.quantization.pictures import placement_picture
from export.quantization.placement import PlacementReport
from export.quantization.placement_table import difference_table, placement_table
from export.quantization.placing import place, stages
from mobilevos.bundle import Bundle
from mobilevos.commands.outputs import check_outputs
from mobilevos.errors import InputError
from mobilevos.files import atomic_write_bytes, atomic_write_text
from mobilevos.made_here import was_made_here

__all__ = ["report"]

_WIDE = 120
"""Columns of a terminal that has room for scales, which the JSON and the page hold in any case."""


def report(
    bundles: Annotated[list[Path], typer.Argument(metavar="BUNDLE...", help="Exported bundles of one checkpoint.")],
    checkpoint: Annotated[
        Path | None, typer.Option(help="That they were made of; the shipped student that fits by default.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the report as JSON to this file.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Also draw the layers' SQNR, a line for each bundle, as PNG to this file.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Also write the report as one HTML page to this file.")] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Read bundles that were exported elsewhere, too, in this process.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if a layer or an addition that was meant to be int8 is not.")
    ] = False,
) -> None:
    """Show what each layer of the network runs in, in each bundle, and what that costs it.

    All of it is read from the artefacts: XNNPACK's graphs in a .pte, the operands' types in a .tflite, the graph that
    ONNX Runtime executes, the program of a Core ML package. A layer is told by the kernel that it holds. Beside its
    arithmetic stand its scales, and its signal to noise ratio against PyTorch in float32 on real activations; then
    where two bundles differ.

    Example: python -m export.quantization report build/int8/* --picture build/placement.png --strict
    """
    console = Console()
    check_outputs(files=[one for one in (json, picture, html) if one is not None], inputs=bundles, overwrite=True)
    opened = [Bundle.open(folder) for folder in bundles]
    _check_origin(opened, trust=trust)
    made = _place(opened, checkpoint, console)
    console.print(placement_table(made, scales=console.width >= _WIDE))
    if made.differences:
        console.print(difference_table(made))
    for bundle in made.bundles:
        console.print(_verdict(bundle.name, bundle.failed), soft_wrap=True, markup=False, highlight=False)
    if json is not None:
        write_json(json, made.to_json())
    if picture is not None:
        atomic_write_bytes(picture, placement_picture(made))
    if html is not None:
        atomic_write_text(html, placement_page(made))
    if strict and made.failed:
        raise typer.Exit(1)


def _check_origin(bundles: list[Bundle], *, trust: bool) -> None:
    for bundle in bundles:
        if not trust and not was_made_here(bundle):
            raise InputError(
                f"{bundle.folder} comes from elsewhere",
                expected="a bundle that was exported here: the toolkits' parsers trust what they are given",
                remedy="pass --trust",
            )


def _place(bundles: list[Bundle], checkpoint: Path | None, console: Console) -> PlacementReport:
    """Behind a progress bar."""
    network = network_of(bundles, checkpoint)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=stages(len(bundles)))

        def advance(stage: str) -> None:
            progress.update(task, description=stage, advance=1)

        return place(bundles, network, advance)


def _verdict(name: str, failed: tuple[str, ...]) -> str:
    if not failed:
        return f"{name}: every layer that was meant to be int8 is"
    return f"{name}: meant to be int8 and not so: {', '.join(failed)}"
