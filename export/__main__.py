"""`python -m export <target>` and `python -m export all`."""

from __future__ import annotations

import sys

import typer

from export.all_targets import add_all_command
from export.command import add_command
from export.targets import TARGETS
from mobilevos.commands.entry import run

__all__ = ["app", "main"]


def _export() -> None:
    """Export a trained student to mobile runtimes, as bundles that prove what they compute.

    `python -m export TARGET --help` explains each target's options; `python -m export.TARGET` is the same command.
    Errors in what was given end with one line on stderr and exit code 2.
    """


app = typer.Typer(add_completion=False, rich_markup_mode=None, callback=_export)
for _target in TARGETS.values():
    add_command(app, _target)
add_all_command(app)


def main(argv: list[str] | None = None) -> int:
    """Runs a command and gives its exit code.

    Args:
        argv: The arguments; those of the process when not given.
    """
    return run(app, argv, program="python -m export")


if __name__ == "__main__":
    sys.exit(main())
