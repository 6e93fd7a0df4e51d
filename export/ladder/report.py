"""What the command prints: the rungs as a table, and a paragraph for each component that fails."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from export.ladder.bisection import Verdict
from export.ladder.rungs import Ladder, Rung
from export.parity import Difference
from mobilevos.contract import COMPONENTS

__all__ = ["ladder_table", "verdict_text"]

_COLOURS = {"reference": "white", "passed": "green", "failed": "red", "not executed": "yellow"}


def ladder_table(ladder: Ladder) -> Table:
    """A column for each rung, from the reference up, in the measure of its gate: each component's worst output."""
    table = Table(
        title=escape(f"{ladder.target}: {ladder.bundle}"),
        caption=escape("\n".join(f"{rung.name}: {rung.runs}" for rung in ladder.rungs)),
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("component")
    for rung in ladder.rungs:
        table.add_column(f"{rung.name}\n{rung.precision}", justify="right")
    for component in COMPONENTS:
        table.add_row(component, *(_cell(rung, component) for rung in ladder.rungs))
    table.add_section()
    table.add_row("", *(f"[{_COLOURS[rung.state]}]{rung.state}[/]" for rung in ladder.rungs))
    return table


def _cell(rung: Rung, component: str) -> str:
    if component not in rung.differences:
        return ""
    value = rung.gate.value(rung.differences[component])
    return f"[{'red' if component in rung.failed else 'green'}]{value}[/]"


def verdict_text(verdict: Verdict, rung: Rung) -> str:
    """One paragraph: the operator, where it comes from, and what it does to the numbers.

    Args:
        verdict: Of a component.
        rung: That it fails.
    """
    head = f"{rung.name}, {verdict.component}: expected {rung.gate.wanted}"
    if not verdict.operator:
        return f"{head}; {verdict.remark}"
    parts = [
        f"{head}; first lost at {verdict.operator}, which makes {verdict.tensor}",
        f"from {verdict.source}" if verdict.source else "",
        f"before it {_text(rung, verdict.before)}, after it {_text(rung, verdict.after)}",
        verdict.remark,
    ]
    return "; ".join(part for part in parts if part)


def _text(rung: Rung, difference: Difference | None) -> str:
    return "not comparable" if difference is None else rung.gate.value(difference)
