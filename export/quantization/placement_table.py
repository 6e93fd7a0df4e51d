"""The placement report on a terminal."""

from __future__ import annotations

from math import isfinite

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from export.quantization.placement import LayerPlacement, PlacementReport, range_text

__all__ = ["CAPTION", "difference_table", "layer_texts", "placement_table", "sqnr_text"]

CAPTION = (
    "int8: integer kernels; int8 pair: between a dequantize and a quantize, the runtime decides on the device; "
    "w8: kernels in 8 bits, computed in float; "
    "dB: what a layer hands on beside PyTorch in float32, with all before it in its component computed as it is there"
)
"""What the columns mean."""


def placement_table(report: PlacementReport, *, scales: bool = True) -> Table:
    """A line for each layer, and for each bundle what it runs in and what that leaves of it.

    Args:
        report: To be shown.
        scales: Whether the first quantized bundle's scales stand behind, for which a terminal must be wide.
    """
    table = Table(title="layers in each bundle", caption=CAPTION, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("layer", overflow="fold")
    if report.reference:
        table.add_column("reference\ndB", justify="right")
    for bundle in report.bundles:
        table.add_column(f"{escape(bundle.name)}\nruns in, dB", justify="right")
    for column in ("weight scales", "input", "output") if scales else ():
        table.add_column(column, justify="right")
    differing, part = {one.layer for one in report.differences}, ""
    for layer in report.layers:
        if part != (part := layer.partition(".")[0]):
            table.add_row(f"[bold]{escape(part)}[/]")
        reference = [sqnr_text(report.reference.get(layer))] if report.reference else []
        cells = [_cell(bundle.layers[layer]) for bundle in report.bundles]
        mark = " [yellow]*[/]" if layer in differing else ""
        texts = layer_texts(_quantized(report, layer)) if scales else ()
        table.add_row(f"  {escape(layer.partition('.')[2])}{mark}", *reference, *cells, *texts)
    return table


def _quantized(report: PlacementReport, layer: str) -> LayerPlacement:
    """Of the first bundle whose layer has scales; of the first, if none has."""
    placed = [bundle.layers[layer] for bundle in report.bundles]
    return next((one for one in placed if one.first is not None and one.first.weight_scales is not None), placed[0])


def layer_texts(placed: LayerPlacement) -> tuple[str, str, str]:
    """Weight scales over the channels, and scale and zero point of input and output."""
    one = placed.first
    if one is None:
        return "-", "-", "-"
    scales = one.weight_scales
    held = "-" if scales is None else f"{scales.min():.2g}..{scales.max():.2g}"
    return held, range_text(one.input), range_text(one.output)


def _cell(placed: LayerPlacement) -> str:
    colour = "red" if placed.failed else "green" if placed.meant else "white"
    return f"[{colour}]{placed.runs_in}[/] {sqnr_text(placed.sqnr_db)}"


def sqnr_text(value: float | None) -> str:
    """Decibels; a dash where nothing was measured."""
    if value is None:
        return "-"
    return f"{value:.1f}" if isfinite(value) else "equal"


def difference_table(report: PlacementReport) -> Table:
    """Where bundles do not compute a layer alike."""
    table = Table(title="where bundles differ (marked *)", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("layer", overflow="fold")
    table.add_column("in")
    names = [bundle.name for bundle in report.bundles]
    for name in names:
        table.add_column(escape(name), justify="right")
    for one in report.differences:
        table.add_row(escape(one.layer), one.what, *(one.values.get(name, "-") for name in names))
    return table
