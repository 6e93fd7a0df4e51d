"""The figures of the quantization commands, as PNG."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from math import inf, isfinite
from typing import TYPE_CHECKING

from export.quantization.placement import PlacementReport
from export.quantization.sensitivity import Sensitivity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_layers", "placement_picture", "sensitivity_picture"]

_STYLES = ("-o", "-s", "-^", "-d", "-v")
"""Lines of the bundles, told apart without colour too."""


def placement_picture(report: PlacementReport) -> bytes:
    """SQNR of every layer in the network's order, a line for each bundle."""
    lines: dict[str, Mapping[str, float | None]] = {
        bundle.name: {name: one.sqnr_db for name, one in bundle.layers.items()} for bundle in report.bundles
    }
    if report.reference:
        lines["int8 reference"] = report.reference
    return draw_layers(report.layers, lines, "SQNR of each layer beside float32", "dB")


def draw_layers(layers: Sequence[str], lines: Mapping[str, Mapping[str, float | None]], title: str, unit: str) -> bytes:
    """A line for each series over the layers.

    Args:
        layers: Along the horizontal axis.
        lines: By name, each layer's value; None, infinity and layers left out leave a gap.
        title: Of the figure.
        unit: Of the values.

    Returns:
        A PNG.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(7.0, 0.19 * len(layers)), 6), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize="medium")
    for number, (name, values) in enumerate(lines.items()):
        heights = [_drawable(values.get(layer)) for layer in layers]
        if name == "int8 reference":
            axes.plot(heights, "k:", linewidth=1, label=name)
        else:
            axes.plot(heights, _STYLES[number % len(_STYLES)], markersize=3, linewidth=1, label=name)
    _label(axes, layers, unit)
    return _png(figure)


def _drawable(value: float | None) -> float:
    return value if value is not None and isfinite(value) and abs(value) < inf else float("nan")


def _label(axes: Axes, layers: Sequence[str], unit: str) -> None:
    axes.set_xticks(range(len(layers)), layers, rotation=90, fontsize=6)
    axes.set_xlim(-0.5, len(layers) - 0.5)
    axes.set_ylabel(unit)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize="small")


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120, metadata={"Software": None})
    return content.getvalue()


def sensitivity_picture(found: Sensitivity, layers: Sequence[str]) -> bytes:
    """What each layer costs, in the network's order: alone in int8, and what keeping it in float gains.

    Args:
        found: What was measured.
        layers: In the network's order.
    """
    from matplotlib.figure import Figure

    by_layer = {one.layer: one for one in found.layers}
    figure = Figure(figsize=(max(7.0, 0.19 * len(layers)), 8), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    above.set_title(f"one layer at a time, {found.pairs} pairs of frames from {found.source}", fontsize="medium")
    places = range(len(layers))
    above.bar(places, [by_layer[layer].alone.logits_db for layer in layers], label="SQNR of the logits, alone in int8")
    below.bar(places, [by_layer[layer].gain_db for layer in layers], label="gain of the logits, alone back in float")
    _label(above, layers, "dB")
    _label(below, layers, "dB")
    return _png(figure)
