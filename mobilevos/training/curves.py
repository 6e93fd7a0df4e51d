"""Curves of a run as pictures: SVG files that need nothing beside them and read on light and dark ground."""

from __future__ import annotations

import io
from collections.abc import Sequence

__all__ = ["curve_svg", "smooth"]

SMOOTHED_SHARE = 0.05
"""Share of a curve's points over which its smoothed line averages, about."""

_GREY = "#888888"  # text and axes: of the same contrast on white and on black
_BLUE = "#3b82f6"


def smooth(values: Sequence[float], span: float) -> list[float]:
    """Exponentially weighted mean of the values so far.

    `m_t = sum_i a^(t-i) x_i / sum_i a^(t-i)` with `a = 1 - 1/span`: the division corrects the start's bias, as in
    Adam (Kingma and Ba, 2015).

    Args:
        values: In order.
        span: Values that count, about; 1 or more. 1 leaves the values as they are.
    """
    keep = 1 - 1 / span
    smoothed, total, weight = [], 0.0, 0.0
    for value in values:
        total, weight = keep * total + value, keep * weight + 1
        smoothed.append(total / weight)
    return smoothed


def curve_svg(steps: Sequence[int], values: Sequence[float], smoothed: Sequence[float] | None = None) -> bytes:
    """Draws a value over the optimizer steps; the same arguments give the same bytes.

    Args:
        steps: Ascending.
        values: One for each step.
        smoothed: Likewise, drawn over the values, which are faint then. None draws the values with a dot each.

    Returns:
        An SVG file with a transparent ground; text is drawn as outlines, so that no font is needed.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "mobilevos", "svg.fonttype": "path"}):
        figure = Figure(figsize=(5, 2.4), layout="constrained")
        axes = figure.subplots()
        if smoothed is None:
            axes.plot(steps, values, color=_BLUE, marker="o", markersize=4)
        else:
            axes.plot(steps, values, color=_BLUE, alpha=0.35, linewidth=0.8)
            axes.plot(steps, smoothed, color=_BLUE, linewidth=1.6)
        axes.set_xlabel("step", color=_GREY)
        axes.tick_params(colors=_GREY)
        axes.grid(color=_GREY, alpha=0.25, linewidth=0.6)
        for side, spine in axes.spines.items():
            spine.set_color(_GREY)
            spine.set_visible(side in ("left", "bottom"))
        axes.set_facecolor("none")
        content = io.BytesIO()
        figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    return content.getvalue()
