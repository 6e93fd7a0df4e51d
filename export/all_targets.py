"""`python -m export all`: every target in turn, and one table of what came of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from export.command import Student, export_student, write_json
from export.options import CommonOptions, precision_option, take, with_options
from export.report import ExportReport
from export.targets import TARGETS, Target
from mobilevos.bundle import EXPORTS
from mobilevos.errors import InputError

__all__ = ["Outcome", "add_all_command", "exit_code", "outcome_table"]


@dataclass(frozen=True)
class Outcome:
    """What came of one target.

    Attributes:
        target: Its name.
        state: `skipped` when its toolkit is not installed; `not offered` when it has no such precision.
        reason: Why it was not exported; empty if it was.
        report: Of the export, if it was.
    """

    target: str
    state: Literal["exported", "skipped", "not offered", "failed"]
    reason: str = ""
    report: ExportReport | None = None

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        report = None if self.report is None else self.report.to_json()
        return {"target": self.target, "state": self.state, "reason": self.reason, "report": report}


def add_all_command(app: typer.Typer) -> None:
    """Adds the command `all`, with the options that every target has."""

    def export_all(**values: Any) -> None:
        options, console = take(CommonOptions, values), Console()
        known = _precisions()
        if options.precision not in known:
            raise InputError(f"--precision {options.precision[:20]}", expected=" or ".join(known))
        student = Student.load(options, console)
        outcomes = [_export(target, student, options, console) for target in TARGETS.values()]
        console.print(outcome_table(outcomes))
        for outcome in outcomes:
            if outcome.reason:
                console.print(f"{outcome.target}: {outcome.reason}", soft_wrap=True, markup=False, highlight=False)
        if options.json is not None:
            write_json(options.json, {outcome.target: outcome.to_json() for outcome in outcomes})
        if code := exit_code(outcomes, strict=options.strict):
            raise typer.Exit(code)

    app.command("all", help=_HELP)(with_options(export_all, CommonOptions, precision=precision_option(_precisions())))


_HELP = f"""Export a student to every target whose toolkit is installed, each into its own folder below --output.

A target that is not installed is listed as skipped. With --strict that counts as a failure, as does an operator beside
the accelerator: exit code 1. A target that does not offer the precision is listed and is no failure; one that fails
gives exit code 2. Where operators of Core ML land is known on a Mac alone, so that --strict cannot fail over them.

Example: python -m export all --output {EXPORTS}
"""


def _precisions() -> list[str]:
    return list(dict.fromkeys(precision for target in TARGETS.values() for precision in target.precisions))


def _export(target: Target, student: Student, options: CommonOptions, console: Console) -> Outcome:
    if target.missing:
        return Outcome(target.name, "skipped", f"not installed: pip install 'mobilevos[{target.extra}]'")
    if options.precision not in target.precisions:
        return Outcome(target.name, "not offered", f"offers {' and '.join(target.precisions)}, not {options.precision}")
    output = (options.output or EXPORTS) / target.name
    try:
        return Outcome(target.name, "exported", report=export_student(target, student, options, None, output, console))
    except InputError as error:
        return Outcome(target.name, "failed", str(error))


def exit_code(outcomes: list[Outcome], *, strict: bool) -> int:
    """2 if a target failed; 1 if `strict` and one was skipped or has operators beside the accelerator; else 0."""
    if any(outcome.state == "failed" for outcome in outcomes):
        return 2
    left = any(outcome.report is not None and not outcome.report.all_delegated for outcome in outcomes)
    return 1 if strict and (left or any(outcome.state == "skipped" for outcome in outcomes)) else 0


def outcome_table(outcomes: list[Outcome]) -> Table:
    """One line per target, within 80 columns."""
    caption = (
        "off: operators beside the accelerator; SQNR in dB; IoU: of the worst mask\n"
        "that is judged on the golden clip, in a closed loop; ms, eager: the fused\n"
        "step here and in PyTorch"
    )
    table = Table(title="all targets", caption=caption, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("target", "state"):
        table.add_column(column, no_wrap=True)
    for column in ("nodes", "off", "SQNR", "IoU", "MB", "ms", "eager", "s"):
        table.add_column(column, justify="right")
    colours = {"exported": "green", "skipped": "yellow", "not offered": "yellow", "failed": "red"}
    for outcome in outcomes:
        state = f"[{colours[outcome.state]}]{outcome.state}[/]"
        table.add_row(escape(outcome.target), state, *([] if outcome.report is None else _cells(outcome.report)))
    return table


def _cells(report: ExportReport) -> list[str]:
    components = report.components.values()
    segment, loop = report.components["segment"].measured, report.closed_loop
    differences = [one.measured.difference for one in components if one.measured is not None]
    return [
        str(sum(one.operators.delegated for one in components)),
        str(sum(left.count for one in components for left in one.operators.left)) if report.placed else "?",
        f"{min(one.sqnr_db for one in differences):.0f}" if differences else "-",
        "none" if loop is None or loop.worst_iou is None else f"{loop.worst_iou:.4f}",
        f"{report.artefact_bytes / 1e6:.1f}",
        "-" if segment is None else f"{segment.latency_ms:.1f}",
        "-" if segment is None else f"{segment.eager_ms:.1f}",
        f"{report.seconds:.0f}",
    ]
