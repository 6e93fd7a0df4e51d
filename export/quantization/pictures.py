"""The figures of the quantization commands, as PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from export.quantization.placement import PlacementReport
from export.quantization.sensitivity import Sensitivity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["placement_picture", "sensitivity_picture"]

_STYLES = ("-o", "-s", "-^", "-d", "-v")
"""Lines of the bundles, told apart without colour too."""


def placement_picture(report: PlacementReport) -> bytes:
    """SQNR of every layer in the network's order, a line for each bundle; below, how far from the reference. A PNG.

    A layer that a bundle does not have, or whose SQNR is infinite, leaves a gap.
    """
    from matplotlib.figure import Figure

    reference, layers = report.reference, report.layers
    figure = Figure(figsize=(max(7.0, 0.19 * len(layers)), 7), layout="constrained")
    above, below = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    above.set_title("SQNR of each layer beside float32", fontsize="medium")
    for number, bundle in enumerate(report.bundles):
        style: dict[str, Any] = {"markersize": 3, "linewidth": 1, "label": bundle.name}
        own = [_drawable(one.sqnr_db if (one := bundle.layers.get(layer)) else None) for layer in layers]
        above.plot(own, _STYLES[number % len(_STYLES)], **style)
        if reference:
            differences = [value - _drawable(reference.get(layer)) for value, layer in zip(own, layers, strict=True)]
            below.plot(differences, _STYLES[number % len(_STYLES)], **style)
    if reference:
        above.plot([_drawable(reference.get(layer)) for layer in layers], "k:", linewidth=1, label="int8 reference")
    _label(above, layers, "dB")
    _label(below, layers, "dB from the\nint8 reference", legend=False)
    return _png(figure)


def _drawable(value: float | None) -> float:
    return value if value is not None and isfinite(value) and abs(value) < inf else float("nan")


def _label(axes: Axes, layers: Sequence[str], unit: str, *, legend: bool = True) -> None:
    axes.set_xticks(range(len(layers)), layers, rotation=90, fontsize=6)
    axes.set_xlim(-0.5, len(layers) - 0.5)
    axes.set_ylabel(unit)
    axes.grid(axis="y", alpha=0.3)
    if legend:
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
