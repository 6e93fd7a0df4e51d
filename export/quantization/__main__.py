"""`python -m export.quantization`: what int8 became in each bundle, and which layers it costs most in."""

from __future__ import annotations

import sys

import typer

from export.quantization.report_command import report
from export.quantization.sensitivity_command import sensitivity
from mobilevos.commands.entry import run

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    help="What int8 became in each bundle, layer by layer, and where its loss comes from.",
)
app.command()(report)
app.command()(sensitivity)


def main(argv: list[str] | None = None) -> int:
    """Runs a command and gives its exit code: 1 by `--strict`, 2 for bad input.

    Args:
        argv: The arguments; those of the process when not given.
    """
    return run(app, argv, program="python -m export.quantization")


if __name__ == "__main__":
    sys.exit(main())
