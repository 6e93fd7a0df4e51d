"""`python -m benchmarks`: the benchmark harness. See `run_command` for what it measures."""

from __future__ import annotations

import sys

import typer

from benchmarks.compare_command import compare
from benchmarks.figures.command import make_figures
from benchmarks.long_command import measure_long
from benchmarks.peers import peers
from benchmarks.run_command import run_benchmark
from mobilevos.commands.entry import run

__all__ = ["main"]

_DEFAULT = "run"

app = typer.Typer(add_completion=False, no_args_is_help=False)
app.command(_DEFAULT)(run_benchmark)
app.command("compare")(compare)
app.command("figures")(make_figures)
app.command("long")(measure_long)
app.command("peers")(peers)


@app.callback()
def harness() -> None:
    """Time the tracking loop of every engine, score its masks, compare results. `run` when no command is named."""


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m benchmarks`; gives the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    commands = {command.name for command in app.registered_commands}
    if not arguments or (arguments[0] not in commands and arguments[0] != "--help"):
        arguments = [_DEFAULT, *arguments]
    return run(app, arguments, program="python -m benchmarks")


if __name__ == "__main__":
    sys.exit(main())
