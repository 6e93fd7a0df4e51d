"""What long runs and sweeps found, as tables, plots and one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.growth import MEMORY_LIMIT, TIME_LIMIT, LongRun, growth
from benchmarks.page import figure_html, page, table_html
from benchmarks.plots import COLOURS, GREY, plain_axes, running_median, to_svg
from benchmarks.protocol import short_of_valid
from benchmarks.sweeps import SWEEPS, Point, cost_of_one, sweep_protocol
from mobilevos.commands.console import counted

__all__ = [
    "GROWTH_HEADERS",
    "SWEEP_HEADERS",
    "growth_plot",
    "growth_rows",
    "long_json",
    "long_page",
    "sweep_facts",
    "sweep_plot",
    "sweep_rows",
]

GROWTH_HEADERS = ("target", "early, MB", "end, MB", "memory", "time", "flat")
SWEEP_HEADERS = ("target", "size", "p50, ms", "95 %", "to the smallest")

_EXPLAINED = (
    f"memory: resident at the last frame over that after the first hundred frames, limit {MEMORY_LIMIT}; time: median "
    "step of the last hundred frames over that of the first hundred, each relative to a process that was just started "
    f"and runs in turn, limit {TIME_LIMIT}"
)


def growth_rows(runs: Mapping[str, LongRun]) -> list[tuple[str, ...]]:
    """A row for each long run, by its target."""
    rows: list[tuple[str, ...]] = []
    for name, run in runs.items():
        found = growth(run)
        rows.append(
            (
                name,
                f"{found.early_bytes / 1e6:.1f}",
                f"{found.late_bytes / 1e6:.1f}",
                f"{found.memory_ratio:.3f}",
                f"{found.time_ratio:.3f}",
                "yes" if found.flat else "NO",
            )
        )
    return rows


def sweep_rows(points: Sequence[Point]) -> list[tuple[str, ...]]:
    """A row for each point of a sweep."""
    first = {one.target: one.ms.value for one in reversed(points)}
    return [
        (
            one.target,
            one.label,
            f"{one.ms.value:.1f}",
            f"{one.ms.low:.1f}..{one.ms.high:.1f}",
            f"{one.ms.value / first[one.target]:.2f}",
        )
        for one in points
    ]


def sweep_facts(steps: int) -> dict[str, Any]:
    """How long each point of a sweep is measured, as JSON, with a note that it is no valid run.

    Args:
        steps: Timed steps of each.
    """
    protocol = sweep_protocol(steps)
    return {**asdict(protocol), "note": f"Points of a curve: {short_of_valid(protocol)}."}


def growth_plot(runs: Mapping[str, LongRun]) -> bytes:
    """Step time (running median) and resident memory over the frames, as an SVG."""
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True)
    for place, (name, run) in enumerate(runs.items()):
        colour = COLOURS[place % len(COLOURS)]
        top.plot(*running_median([step.step_ms for step in run.steps]), color=colour, linewidth=1, label=name)
        bottom.plot([step.rss_bytes / 1e6 for step in run.steps], color=colour, linewidth=1.2)
    slow = max(float(np.percentile([step.step_ms for step in run.steps], 99)) for run in runs.values())
    top.set(ylabel="step, ms", ylim=(0, 1.5 * slow))  # a machine that once stood still is no curve
    bottom.set(xlabel="frame", ylabel="resident memory, MB", ylim=(0, None))
    plain_axes(top)
    plain_axes(bottom)
    _legend(figure, *top.get_legend_handles_labels())
    return to_svg(figure)


def sweep_plot(name: str, points: Sequence[Point]) -> bytes:
    """Time against the size that grows, with the line of each target, as an SVG."""
    sweep, figure = SWEEPS[name], Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.subplots()
    for place, target in enumerate(dict.fromkeys(one.target for one in points)):
        colour, own = COLOURS[place % len(COLOURS)], [one for one in points if one.target == target]
        x, y = np.array([one.amount for one in own]), np.array([one.ms.value for one in own])
        start, slope = cost_of_one(own)
        bars = [[one.ms.value - one.ms.low for one in own], [one.ms.high - one.ms.value for one in own]]
        label = f"{target}: {start:.0f} ms + {slope:.0f} ms per {sweep.unit}"
        axes.errorbar(x, y, np.maximum(bars, 0), fmt="o", color=colour, markersize=5, capsize=3, label=label)
        axes.plot(x, start + slope * x, color=colour, linewidth=1)
    axes.set(xlabel=sweep.axis, ylabel=f"{sweep.component or 'step'} p50, ms", xlim=(0, None), ylim=(0, None))
    labels = {one.amount: one.label for one in points}
    if name == "resolution":
        axes.set_xticks(list(labels), [f"{amount:.2f}\n{label}" for amount, label in labels.items()])
    else:
        axes.set_xticks(list(labels), list(labels.values()))
    plain_axes(axes)
    _legend(figure, *axes.get_legend_handles_labels())
    return to_svg(figure)


def long_page(runs: Mapping[str, LongRun], sweeps: Mapping[str, Sequence[Point]], facts: Mapping[str, Any]) -> str:
    """All of it as one page that needs nothing beside it.

    Args:
        runs: By target.
        sweeps: Points by the sweep's name.
        facts: Frames, size and objects of the long clip, threads, protocol of the sweeps, and the provenance.
    """
    threads, processor = counted(facts["threads"], "thread"), facts["machine"].get("processor")
    parts = [f"<p>{processor}, {threads}; commit {facts['commit'] or 'unknown'}; {facts['time']}</p>"]
    if runs:
        caption = f"Step time (running median) and resident memory over the frames. {_EXPLAINED}."
        title = f"{facts['frames']:,} frames of {facts['size']}, {counted(facts['objects'], 'object')}"
        parts += [f"<h2>{title}</h2>", table_html(GROWTH_HEADERS, growth_rows(runs))]
        parts.append(figure_html(growth_plot(runs), caption))
    for name, points in sweeps.items():
        caption = (
            f"{SWEEPS[name].axis.capitalize()}: median time with its 95 % interval, and the least-squares line. "
            f"{facts['sweep_protocol']['note']}"
        )
        parts += [f"<h2>Cost of {name}</h2>", table_html(SWEEP_HEADERS, sweep_rows(points))]
        parts.append(figure_html(sweep_plot(name, points), caption))
    return page("Long clips, many objects, many pixels", "\n".join(parts))


def long_json(
    runs: Mapping[str, LongRun], sweeps: Mapping[str, Sequence[Point]], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """All of it for machines."""
    of_runs = {}
    for name, run in runs.items():
        found = growth(run)
        of_runs[name] = asdict(found) | {
            "memory_ratio": found.memory_ratio,
            "time_ratio": found.time_ratio,
            "flat": found.flat,
            "resident_bytes": [step.rss_bytes for step in run.steps],
            "step_ms": [round(step.step_ms, 4) for step in run.steps],
        }
    return {
        **facts,
        "long": of_runs,
        "sweeps": {name: [asdict(one) for one in points] for name, points in sweeps.items()},
    }


def _legend(figure: Figure, handles: Sequence[Any], labels: Sequence[str]) -> None:
    columns = 1 if max(map(len, labels)) > 30 else 3
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False, labelcolor=GREY, fontsize=9
    )
