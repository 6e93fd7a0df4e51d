"""The operator report as a table, and as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from rich.box import SIMPLE_HEAD
from rich.markup import escape as escape_markup
from rich.table import Table

from export.checks.findings import Finding
from export.checks.placements import Placement
from export.checks.rules import RULES, Severity

__all__ = ["STYLE", "clean_text", "finding_table", "html_page", "html_table", "placement_table"]

_COLOURS = {Severity.OFF: "red", Severity.WRONG: "red", Severity.RANGE: "yellow", Severity.SLOW: "yellow"}

STYLE = """
:root { color-scheme: light dark; --line: #8884; --bad: #c62828; --good: #2e7d32; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --good: #a5d6a7; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin-bottom: 2rem; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.bad { color: var(--bad); font-weight: 600; }
.good { color: var(--good); }
code { font-size: .9em; overflow-wrap: anywhere; }
"""
"""Of the project's HTML reports."""


def finding_table(findings: Sequence[Finding], accelerator: str) -> Table:
    """What one accelerator will do badly, for a terminal."""
    table = Table(title=f"{accelerator}, before conversion", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("component", "operator", "verdict", "why, and what to write instead"):
        table.add_column(column, overflow="fold")
    for one in findings:
        text = f"{one.reason}\ninstead: {one.rewrite}\nat {one.source}"
        verdict = f"[{_COLOURS[one.severity]}]{one.severity}[/]"
        operator = f"{one.count} x {one.operator.removeprefix('aten.')}"
        table.add_row(one.component, escape_markup(operator), verdict, escape_markup(text))
    return table


def clean_text(accelerator: str) -> str:
    """What is said of an accelerator without a finding."""
    if any(accelerator in rule.accelerators for rule in RULES):
        return "no rule applies"
    return "takes every operator: there is no rule for it"


def placement_table(placements: Sequence[Placement]) -> Table:
    """Targets side by side, for a terminal: a line for each component, a group of columns for each bundle."""
    title = "after conversion: on the accelerator / outside (?: unknown); T: transposes"
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("component", no_wrap=True)
    bundles = list(dict.fromkeys((one.target, one.precision) for one in placements))
    for target, precision in bundles:
        table.add_column(f"{target}\n{precision}", justify="right", overflow="fold")
    for component in dict.fromkeys(one.component for one in placements):
        row = {(one.target, one.precision): one for one in placements if one.component == component}
        table.add_row(component, *(_cell(row[bundle]) for bundle in bundles))
    return table


def _cell(one: Placement) -> str:
    transposes = "" if one.transposes is None else f"\n{one.transposes} T"
    if not one.placed:
        return f"{one.delegated} / ?{transposes}"
    outside = sum(left.count for left in one.left)
    return f"{one.delegated} / [{'red' if outside else 'green'}]{outside}[/]{transposes}"


def html_page(
    accelerators: Sequence[str], findings: Sequence[Finding], placements: Sequence[Placement], more: str = ""
) -> str:
    """The whole report as one page without any resource from elsewhere.

    Args:
        accelerators: That were checked.
        findings: Before conversion.
        placements: After conversion; may be empty.
        more: Further sections, in HTML.
    """
    before = "".join(
        _findings_html(name, [one for one in findings if one.accelerator == name]) for name in accelerators
    )
    after = _placements_html(placements) if placements else "<p>No bundle was given.</p>"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>MobileVOS operator report</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>Operator report</h1>\n<h2>Before conversion</h2>\n{before}"
        f"<h2>After conversion</h2>\n{after}\n{more}</body>\n</html>\n"
    )


def _findings_html(accelerator: str, findings: Sequence[Finding]) -> str:
    title = f"<h3>{escape(accelerator)}</h3>\n"
    if not findings:
        return f'{title}<p class="good">{clean_text(accelerator).capitalize()}.</p>\n'
    headers = ("component", "operator", "count", "verdict", "why", "instead", "made at", "source of the rule")
    rows = [
        (
            one.component,
            f"<code>{escape(one.operator)}</code>",
            str(one.count),
            f'<span class="bad">{escape(one.severity)}</span>',
            escape(one.reason),
            escape(one.rewrite),
            f"<code>{escape(one.source)}</code>",
            escape(one.reference),
        )
        for one in findings
    ]
    return title + html_table(headers, rows)


def _placements_html(placements: Sequence[Placement]) -> str:
    headers = ("target", "component", "accelerator", "on it", "calls", "outside", "transposes", "SQNR dB", "rests on")
    rows = [
        (
            escape(f"{one.target} {one.precision}"),
            escape(one.component),
            escape(one.accelerator),
            str(one.delegated),
            str(one.subgraphs),
            _left_html(one),
            "" if one.transposes is None else str(one.transposes),
            "" if one.sqnr_db is None else f"{one.sqnr_db:.0f}",
            escape(one.verdict),
        )
        for one in placements
    ]
    return html_table(headers, rows)


def _left_html(one: Placement) -> str:
    if not one.placed:
        return "unknown"
    left = "<br>".join(f"{item.count} x {escape(item.operator)}: {escape(item.reason)}" for item in one.left)
    return f'<span class="bad">{left}</span>' if left else '<span class="good">none</span>'


def html_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; its cells are HTML already."""
    head = "".join(f"<th>{header}</th>" for header in headers)
    body = "".join(f"<tr>{''.join(_td(cell) for cell in row)}</tr>\n" for row in rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n"


def _td(cell: str) -> str:
    return f'<td class="number">{cell}</td>' if cell.isdigit() else f"<td>{cell}</td>"
