"""`python -m benchmarks.device`: the phones that are connected, and one bundle run over one clip on them."""

from __future__ import annotations

import sys

import typer

from benchmarks.device.list_command import list_phones
from benchmarks.device.run_command import run_bundle
from mobilevos.commands.entry import run

__all__ = ["main"]

app = typer.Typer(add_completion=False, help="Phones over adb: which there are, and one bundle run on them.")
app.command("list")(list_phones)
app.command("run")(run_bundle)


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m benchmarks.device`; gives the exit code."""
    return run(app, argv, program="python -m benchmarks.device")


if __name__ == "__main__":
    sys.exit(main())
