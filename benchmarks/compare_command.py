"""`python -m benchmarks compare A B`: what changed between two commits or two machines, beyond the noise."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.comparison import UNKNOWN_SPREAD, Comparison, compare_results, key_of, warnings_of
from benchmarks.results import Result, read_results
from benchmarks.tables import rich_table
from mobilevos.commands.console import counted, write_report
from mobilevos.commands.outputs import check_outputs
from mobilevos.errors import InputError

__all__ = ["compare"]


def compare(
    before: Annotated[
        str,
        typer.Argument(metavar="A[,A...]", help="results.jsonl, or the folder that holds it; of repeated runs each."),
    ],
    after: Annotated[str, typer.Argument(metavar="B[,B...]", help="The same of the other commit or machine.")],
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="The comparison, for machines.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")] = False,
) -> None:
    """Compare the results A with the results B; each side is one run or, between commas, several runs of the same.

    A difference counts if the interval of 95 % of its bootstrap leaves out zero. Of one run alone the spread between
    runs is not known: then the interval is widened by what the runs differ by between their quarters, or by the least
    spread that is assumed. A target that took turns with others than before is shown, and not judged.
    """
    check_outputs(files=[json] if json else [], overwrite=overwrite)
    console = Console(highlight=False)
    sides = [[one for path in _paths(side) for one in read_results(path)] for side in (before, after)]
    comparisons = compare_results(*sides)
    if not comparisons:
        found = "; ".join(" ".join(map(str, key_of(side[0]))) for side in sides)
        raise InputError("the two have nothing in common", expected="the same target on the same clip", found=found)
    warnings = warnings_of(*sides)
    for line in warnings:
        console.print(f"warning: {line}", markup=False)
    console.print(_sides(sides))
    console.print(_table(comparisons))
    least = f"where a side has one run, widened by what its quarters differ by, at least {100 * UNKNOWN_SPREAD:.0f} %"
    console.print(f"x: to eager in the same run; ms: median step; 95 %: {least}.")
    if json:
        write_report(json, {"warnings": warnings, "rows": [_row(one) for one in comparisons]}, overwrite=overwrite)


def _paths(side: str) -> list[Path]:
    """The runs of a side. A path that is there may have a comma in it."""
    paths = [Path(side)] if Path(side).exists() else [Path(one.strip()) for one in side.split(",") if one.strip()]
    if not paths:
        raise InputError(f"no results in {side[:40]!r}", expected="A[,A...]")
    return paths


def _sides(sides: list[list[Result]]) -> str:
    lines = []
    for name, side in zip("AB", sides, strict=True):
        origin = side[0].provenance
        commit = str(origin.get("commit") or "no commit")[:12]
        changed = " with uncommitted changes" if origin.get("uncommitted_changes") else ""
        lines.append(f"{name}: {commit}{changed}, {origin['machine'].get('processor')}, {origin['time']}")
    return "\n".join(lines)


def _table(comparisons: list[Comparison]) -> object:
    rows = [
        (
            f"{one.key[0]} {one.key[1]}, {counted(one.key[2], 'thread')}",
            one.verdict,
            _value(one.measure, one.before),
            _value(one.measure, one.after),
            f"{100 * one.change.value:+.1f} %",
            f"{100 * one.change.low:+.1f}..{100 * one.change.high:+.1f}",
        )
        for one in comparisons
    ]
    return rich_table("B against A", ("target", "verdict", "A", "B", "change", "95 %"), rows, text_columns=2)


def _row(comparison: Comparison) -> dict[str, Any]:
    target, precision, threads, clip = comparison.key
    facts = asdict(comparison)
    return {"target": target, "precision": precision, "threads": threads, "clip": clip} | {
        name: fact for name, fact in facts.items() if name != "key"
    }


def _value(measure: str, value: float) -> str:
    return f"{value:.2f} x" if measure == "ratio" else f"{value:.1f} ms"
