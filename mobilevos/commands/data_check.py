"""`mobilevos train ... --check-data`: what the data of a run are, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from mobilevos.commands.console import counted, frame_progress, print_line, write_report

if TYPE_CHECKING:
    from mobilevos.training import RunConfig
    from mobilevos.training.data_report import DataReport

__all__ = ["run_data_check"]


def run_data_check(config: RunConfig, json_file: Path | None) -> bool:
    """Reads all data of a run, prints what was found, and says whether it is all right.

    Args:
        config: Of the run.
        json_file: Takes the same as JSON; None for none. It may be replaced.

    Raises:
        InputError: The configuration names no data.
    """
    from mobilevos.training.data_check import check_data

    report = check_data(config, frame_progress)
    Console().print(_table(report))
    for problem in report.problems:
        print_line(problem)
    print_line(counted(len(report.problems), "problem") if report.problems else "no problem found")
    if json_file is not None:
        write_report(json_file, report.to_json(), overwrite=True)
    return not report.problems


def _table(report: DataReport) -> Table:
    table = Table(title="Training data", title_justify="left")
    table.add_column("source")
    for name in ("sequences", "frames", "empty masks", "too short", "not on disk", "problems"):
        table.add_column(name, justify="right")
    for one in report.sources:
        numbers = (one.sequences, one.frames, one.empty_masks, one.short, one.absent, len(one.problems))
        table.add_row(f"{one.name} {Path(one.root).name}", *(f"{number:,}" for number in numbers))
    return table
