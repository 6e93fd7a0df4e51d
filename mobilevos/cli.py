"""The command line `mobilevos`. Its commands are in `mobilevos.commands`, one file each."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from mobilevos.commands import average, calibrate, compare, evaluate, inspect, segment, train
from mobilevos.commands.entry import run

__all__ = ["app", "main"]


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"mobilevos {version('mobilevos')}")
        raise typer.Exit


def _mobilevos(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Video object segmentation for phones: track objects in a clip, score a network, train one, look into a bundle.

    `mobilevos COMMAND --help` explains each command, with examples. Errors in what was given end with one line on
    stderr and exit code 2.
    """


# Without rich's markup, which would take the brackets of the examples for its own.
app = typer.Typer(add_completion=False, rich_markup_mode=None, callback=_mobilevos)
app.command(epilog=segment.EXAMPLES)(segment.segment)

_evaluate = typer.Typer(rich_markup_mode=None, help="Score a network, or masks that exist, on a data set.")
_evaluate.command(epilog=evaluate.DAVIS_EXAMPLES)(evaluate.davis)
_evaluate.command(epilog=evaluate.YTVOS_EXAMPLES)(evaluate.ytvos)
app.add_typer(_evaluate, name="evaluate")

app.command(epilog=compare.EXAMPLES)(compare.compare)
app.command(help=train.HELP)(train.train)
app.command(epilog=average.EXAMPLES)(average.average)
app.command(epilog=calibrate.EXAMPLES)(calibrate.calibrate)
app.command(epilog=inspect.EXAMPLES)(inspect.inspect)


def main(argv: list[str] | None = None) -> int:
    """Runs a command and gives its exit code: see `mobilevos.commands.entry.run`.

    Args:
        argv: The arguments; those of the process when not given.
    """
    return run(app, argv)
