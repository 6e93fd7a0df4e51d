"""`python -m export.ladder BUNDLE`: on which rung a bundle loses numbers, and at which operator."""

from __future__ import annotations

import sys
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
from mobilevos.bundle import Bundle
from mobilevos.commands.entry import run
from mobilevos.made_here import was_made_here
from mobilevos.model.network import MemoryNetwork

__all__ = ["app", "main"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def ladder(
    bundle: Annotated[Path, typer.Argument(help="A bundle's folder.", show_default=False)],
    checkpoint: Annotated[
        Path | None, typer.Option(help="That it was made of; the shipped student that fits by default.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the ladder as JSON to this file.")] = None,
) -> None:
    """Compare a bundle with PyTorch rung by rung, and name the operator at which it fails.

    The rungs are the network in PyTorch, its exported program, the converted graph in its engine on this host, and the
    device, which is not executed here. Each component runs on real activations and must pass the gate of its precision.
    The first rung that fails is bisected to the operator, and the exit code is 1.

    Example: python -m export.ladder build/bundles/onnx
    """
    console, opened = Console(), Bundle.open(bundle)
    made = _climb(opened, network_of([opened], checkpoint), console)
    console.print(ladder_table(made))
    for verdict in made.verdicts:
        assert made.failed is not None
        console.print(verdict_text(verdict, made.failed), soft_wrap=True, markup=False, highlight=False)
    if json is not None:
        write_json(json, made.to_json())
    if made.failed is not None:
        raise typer.Exit(1)


def _climb(bundle: Bundle, network: MemoryNetwork, console: Console) -> Ladder:
    """Behind a progress bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=STAGES)

        def advance(stage: str) -> None:
            progress.update(task, description=stage, advance=1)

        return climb(bundle, network, advance, isolated=not was_made_here(bundle))


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
