"""The harness's plots: SVG files that need nothing beside them and read on light and dark ground."""

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.results import Result

__all__ = [
    "component_plot",
    "distribution_plot",
    "over_time_plot",
    "pareto_plot",
    "plain_axes",
    "running_median",
    "to_svg",
]

GREY = "#888888"  # text and axes: of the same contrast on white and on black
COLOURS = ("#3b82f6", "#f59e0b", "#10b981", "#ef4444", "#a855f7", "#06b6d4", "#ec4899", "#84cc16")

_WIDTH = 5.6
_ROW = 0.42  # inches of a row of a horizontal plot
_HEAD = 1.1
_POINTS = 400  # of a line: more are not seen
_MARKERS = {"fp32": "o", "fp16": "s", "int8": "D"}
_PARTS = {
    "segment": "#3b82f6",
    "encode_query": "#3b82f6",
    "read_memory": "#10b981",
    "decode": "#a855f7",
    "encode_memory": "#f59e0b",
    "rest of the loop": "#94a3b8",
}


def distribution_plot(results: Sequence[Result]) -> bytes:
    """Step times: the median, a box of the middle half, whiskers from the 1st to the 99th percentile.

    Args:
        results: Measured ones.
    """
    figure, axes = _rows(len(results))
    colours = [_colour(place) for place in range(len(results))]
    drawn = axes.boxplot(
        [one.series.step_ms for one in results],
        orientation="horizontal",
        whis=(1, 99),
        showfliers=False,
        widths=0.6,
        patch_artist=True,
        medianprops={"color": GREY, "linewidth": 1.6},
        whiskerprops={"color": GREY},
        capprops={"color": GREY},
    )
    for box, colour in zip(drawn["boxes"], colours, strict=True):
        box.set(facecolor=colour, edgecolor="none")
    for place, one in enumerate(results, start=1):
        median, end = np.percentile(one.series.step_ms, (50, 99)).tolist()
        axes.annotate(
            f"{median:.1f}",
            (end, place),
            (5, 0),
            textcoords="offset points",
            color=GREY,
            va="center",
            fontsize=9,
            clip_on=False,
        )
    axes.set(xlabel="step, ms", xlim=(0, None))
    _name_rows(axes, [one.name for one in results], first=1)
    return to_svg(figure)


def component_plot(results: Sequence[Result]) -> bytes:
    """Where an average frame's time goes: above as the loop runs it, below with each component called alone.

    Args:
        results: Measured ones.
    """
    figure, axes = _rows(len(results), scale=1.5)
    seen: dict[str, None] = {}
    for place, one in enumerate(results):
        for offset, parts in ((-0.2, _fused(one)), (0.2, _single(one))):
            left = 0.0
            for name, milliseconds in parts.items():
                label = None if name in seen else name
                seen.setdefault(name)
                axes.barh(
                    place + offset,
                    milliseconds,
                    height=0.34,
                    left=left,
                    color=_PARTS[name],
                    label=label,
                    hatch="//" if name == "segment" else None,
                    edgecolor="#ffffff88" if name == "segment" else "none",
                )
                left += milliseconds
    axes.set(xlabel="ms of an average frame")
    axes.legend(
        frameon=False, labelcolor=GREY, ncols=3, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), borderpad=0
    )
    _name_rows(axes, [one.name for one in results], first=0)
    return to_svg(figure)


def pareto_plot(results: Sequence[Result]) -> bytes:
    """Quality against latency and against size; the line joins those that no other beats in both.

    Quality is J&F, or where the clip has no ground truth the IoU with the reference's masks.

    Args:
        results: Measured ones with masks.
    """
    figure = Figure(figsize=(_WIDTH, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    quality = [_quality(one) for one in results]
    latency = [float(np.median(one.series.step_ms)) for one in results]
    size = [(one.model_bytes or 0) / 1e6 for one in results]
    for axes, cost, label in ((left, latency, "step p50, ms"), (right, size, "model, MB")):
        front = _front(cost, quality)
        axes.plot([cost[k] for k in front], [quality[k] for k in front], color=GREY, linewidth=0.8, zorder=1)
        for place, one in enumerate(results):
            marker = _MARKERS.get(one.precision, "o")
            axes.scatter(
                cost[place], quality[place], s=36, color=_colour(place), marker=marker, zorder=2, label=one.name
            )
        axes.set(xlabel=label, xlim=(0, 1.1 * max(cost)))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.ticklabel_format(axis="y", useOffset=False)
        plain_axes(axes)
    spread = max(quality) - min(quality)
    middle, reach = (max(quality) + min(quality)) / 2, max(0.75 * spread, 0.5)
    left.set(ylabel=_quality_name(results), ylim=(middle - reach, middle + reach))
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, labelcolor=GREY, fontsize=8)
    return to_svg(figure)


def over_time_plot(results: Sequence[Result]) -> bytes:
    """Step time and memory over the timed steps; of step times the running median.

    Args:
        results: Measured ones.
    """
    figure = Figure(figsize=(_WIDTH, 4.6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True)
    for place, one in enumerate(results):
        steps = one.series.step_ms
        x, y = running_median(steps)
        top.plot(x, y, color=_colour(place), linewidth=1.2, label=one.name)
        places = np.linspace(0, len(steps) - 1, min(_POINTS, len(steps))).astype(int)
        memory = np.asarray(one.series.memory_bytes)[places] / 1e6
        bottom.plot(places, memory, color=_colour(place), linewidth=1.2)
    top.set(ylabel="step, ms", ylim=(0, None))
    bottom.set(xlabel="timed step", ylabel="memory, MB", ylim=(0, None))
    for axes in (top, bottom):
        plain_axes(axes)
    handles, labels = top.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, labelcolor=GREY, fontsize=8)
    return to_svg(figure)


def plain_axes(axes: Axes) -> None:
    """Grey text and axes, a faint grid, no frame."""
    axes.tick_params(colors=GREY, labelsize=9)
    axes.xaxis.label.set_color(GREY)
    axes.yaxis.label.set_color(GREY)
    axes.title.set_color(GREY)
    axes.grid(color=GREY, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_facecolor("none")
    for side, spine in axes.spines.items():
        spine.set_color(GREY)
        spine.set_visible(side in ("left", "bottom"))


def to_svg(figure: Figure) -> bytes:
    """The figure as an SVG with a transparent ground; the same figure gives the same bytes."""
    content = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "mobilevos", "svg.fonttype": "path"}):
        figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    return content.getvalue()


def _rows(count: int, scale: float = 1.0) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, _HEAD + _ROW * scale * count), layout="constrained")
    axes = figure.subplots()
    plain_axes(axes)
    return figure, axes


def _name_rows(axes: Axes, names: Sequence[str], first: int) -> None:
    axes.set_yticks(range(first, first + len(names)), names)
    axes.grid(visible=False, axis="y")
    axes.invert_yaxis()


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def _fused(result: Result) -> dict[str, float]:
    assert result.timing is not None
    parts = _of_a_frame(result, ("segment", "encode_memory"), single=False)
    parts["rest of the loop"] = max(0.0, result.timing.step.mean - sum(parts.values()))
    return parts


def _single(result: Result) -> dict[str, float]:
    return _of_a_frame(result, ("encode_query", "read_memory", "decode", "encode_memory"), single=True)


def _of_a_frame(result: Result, names: Sequence[str], *, single: bool) -> dict[str, float]:
    """Means by component; what is memorised every few frames counts for that part of a frame."""
    assert result.timing is not None
    times = result.timing.single if single else result.timing.components
    shares = {"encode_memory": 1 / result.clip.memory_every}
    return {name: times[name].mean * shares.get(name, 1.0) for name in names if name in times}


def _quality(result: Result) -> float:
    assert result.quality is not None
    share = result.quality.iou_mean if result.quality.j_and_f is None else result.quality.j_and_f
    return 100 * (share or 0.0)


def _quality_name(results: Sequence[Result]) -> str:
    known = all(one.quality is not None and one.quality.j_and_f is not None for one in results)
    return "J&F, %" if known else "IoU with the reference, %"


def _front(cost: Sequence[float], quality: Sequence[float]) -> list[int]:
    """Places that no other beats in both, the cheapest first."""
    front: list[int] = []
    for place in sorted(range(len(cost)), key=lambda k: (cost[k], -quality[k])):
        if not front or quality[place] > quality[front[-1]]:
            front.append(place)
    return front


def running_median(values: Sequence[float]) -> tuple[list[float], list[float]]:
    """Medians of neighbouring steps, at most `_POINTS` of them, at the middle of each group."""
    groups = np.array_split(np.asarray(values), min(_POINTS, max(1, len(values) // 4)))
    edges = np.cumsum([0, *(len(group) for group in groups)])
    return ((edges[:-1] + edges[1:]) / 2).tolist(), [float(np.median(group)) for group in groups]
