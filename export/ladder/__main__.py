"""`python -m export.ladder`: on which rung a bundle, or an export that is refused, loses numbers; at which operator."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from export.command import write_json
from export.ladder.climbing import STAGES, climb
from export.ladder.report import ladder_table, verdict_text
from export.ladder.rungs import Ladder
from export.made_of import network_of
from export.pipeline import export_bundle
from export.quantization.section import INT8
from export.targets import TARGETS
from mobilevos.bundle import Bundle
from mobilevos.commands.entry import run
from mobilevos.errors import InputError
from mobilevos.files import sha256_of
from mobilevos.frame_size import parse_size
from mobilevos.made_here import was_made_here
from mobilevos.model.checkpoint import load_network
from mobilevos.model.network import MemoryNetwork
from mobilevos.weights import default_checkpoint

__all__ = ["app", "main"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def ladder(
    bundle: Annotated[
        Path | None, typer.Argument(help="A bundle's folder; none to look at a fresh export.", show_default=False)
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="|".join(TARGETS), help="Without BUNDLE: what to export and look at.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(metavar="fp32|fp16", help="Of that export; fp32 when not given.")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="Of that export: HEIGHTxWIDTH, raised to multiples of 16; 480x864 when not given."),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="That it was made of; the shipped student that fits by default.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the ladder as JSON to this file.")] = None,
) -> None:
    """Compare a bundle with PyTorch rung by rung, and name the operator at which it fails.

    The rungs are the network in PyTorch, its exported program, the converted graph in its engine on this host, and the
    device, which is not executed here. Each component runs on real activations and must pass the gate of its precision.
    The first rung that fails is bisected to the operator, and the exit code is 1.

    An export whose numbers are off is refused, and leaves no bundle. With --target the same export is made once more in
    a temporary folder, whatever its numbers, looked at and removed.

    Examples: python -m export.ladder build/bundles/onnx; python -m export.ladder --target onnx --checkpoint mine
    """
    console = Console()
    if bundle is not None:
        if given := [
            name for name, value in (("--target", target), ("--precision", precision), ("--size", size)) if value
        ]:
            raise InputError(f"BUNDLE with {given[0]}", remedy="leave out one of the two")
        opened = Bundle.open(bundle)
        made = _climb(opened, network_of([opened], checkpoint), console, isolated=not was_made_here(opened))
    else:
        made = _climb_fresh(target, checkpoint, precision or "fp32", size or "480x864", console)
    console.print(ladder_table(made))
    for verdict in made.verdicts:
        assert made.failed is not None
        console.print(verdict_text(verdict, made.failed), soft_wrap=True, markup=False, highlight=False)
    if json is not None:
        write_json(json, made.to_json())
    if made.failed is not None:
        raise typer.Exit(1)


def _climb_fresh(name: str | None, checkpoint: Path | None, precision: str, size: str, console: Console) -> Ladder:
    """Of an export that need not pass its gates."""
    if name not in TARGETS:
        found = "" if name is None else name[:40]
        raise InputError("nothing to look at", expected=f"BUNDLE, or --target {'|'.join(TARGETS)}", found=found)
    if precision == INT8:
        raise InputError(
            "--precision int8", expected="fp32 or fp16", remedy="see `python -m export.quantization report`"
        )
    source = checkpoint or default_checkpoint()
    network = load_network(source)
    dimensions = network.dimensions(*parse_size(size), 2, 1)
    with tempfile.TemporaryDirectory() as folder:
        output, sha256 = Path(folder) / name, sha256_of(source)
        with console.status(f"exporting to {TARGETS[name].title}"):
            export_bundle(
                TARGETS[name], network, dimensions, output, precision=precision, checkpoint_sha256=sha256, gated=False
            )
        return _climb(Bundle.open(output), load_network(source), console, isolated=False)


def _climb(bundle: Bundle, network: MemoryNetwork, console: Console, *, isolated: bool) -> Ladder:
    """Behind a progress bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=STAGES)

        def advance(stage: str) -> None:
            progress.update(task, description=stage, advance=1)

        return climb(bundle, network, advance, isolated=isolated)


def main(argv: list[str] | None = None) -> int:
    """Runs the command and gives its exit code.

    Args:
        argv: The arguments; those of the process when not given.

    Returns:
        1 if a rung fails, 2 for bad input.
    """
    return run(app, argv, program="python -m export.ladder")


if __name__ == "__main__":
    sys.exit(main())
