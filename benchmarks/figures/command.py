"""`python -m benchmarks figures`: everything that the README shows of what was measured, measured anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.figures.accuracy import ACCURACY
from benchmarks.figures.figure import Setting
from benchmarks.figures.growth import GROWTH
from benchmarks.figures.plain import PLAIN_CONVERSIONS
from benchmarks.figures.profile import PROFILE
from benchmarks.figures.record import RECORD, keep, place_figures, read_record
from benchmarks.figures.sizes import SIZES
from benchmarks.figures.speed import SPEED
from benchmarks.figures.trust import TRUST
from benchmarks.protocol import FULL, QUICK
from benchmarks.run_command import FOLDER, names
from mobilevos.commands.console import print_line
from mobilevos.files import atomic_write_text

__all__ = ["FIGURES", "README", "make_figures", "recorded_markdown"]

README = Path(__file__).resolve().parents[2] / "README.md"

FIGURES = {figure.name: figure for figure in (ACCURACY, SPEED, GROWTH, SIZES, PLAIN_CONVERSIONS, PROFILE, TRUST)}
"""By name, in the order in which they are measured."""


def make_figures(
    only: Annotated[str, typer.Option(metavar="NAMES", help=f"Some of {','.join(FIGURES)}.")] = ",".join(FIGURES),
    davis: Annotated[Path | None, typer.Option(metavar="ROOT", help="DAVIS 2016, of the table of accuracy.")] = None,
    full: Annotated[bool, typer.Option("--full/--quick", help="The protocol of the table of speed.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of every engine.")] = 2,
    mutants: Annotated[int, typer.Option(min=1, help="Damaged bundles of each target, twice.")] = 1000,
    output: Annotated[Path, typer.Option(help="Folder of bundles and reports.")] = FOLDER,
    readme: Annotated[Path, typer.Option(help="The file whose markers are filled.")] = README,
    record: Annotated[Path, typer.Option(help="The record; pictures are put beside it.")] = RECORD,
) -> None:
    """Measure the shipped students, and write tables and pictures into the README between their markers.

    On an idle machine: whatever else runs on it is in the numbers. Figures are measured in the order of --only's
    default, accuracy first, so that a --davis that is missing is told at once. Each is kept as soon as it is measured;
    the README is written when the record holds all of them.
    """
    chosen = names(only, tuple(FIGURES), "--only")
    setting = Setting(output, Console(), threads, FULL if full else QUICK, mutants, davis)
    output.mkdir(parents=True, exist_ok=True)
    for name in (one for one in FIGURES if one in chosen):
        print_line(f"measuring: {name}")
        keep(name, FIGURES[name].measure(setting), record)
    print_line(str(record))
    if missing := [name for name in FIGURES if name not in read_record(record)]:
        print_line(f"{readme} stays as it is: the record has no {', '.join(missing)} yet")
        return
    atomic_write_text(readme, place_figures(readme.read_text(encoding="utf-8"), recorded_markdown(record)))
    print_line(str(readme))


def recorded_markdown(record: Path = RECORD) -> dict[str, str]:
    """What stands between the README's markers, by the name of the figure.

    Raises:
        InputError: The record cannot be read.
    """
    return {name: FIGURES[name].markdown(entry.content) for name, entry in read_record(record).items()}
