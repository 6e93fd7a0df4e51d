"""The placement report as one HTML file that needs nothing else."""

from __future__ import annotations

from base64 import b64encode
from html import escape

from export.checks.page import STYLE, html_table
from export.quantization.pictures import placement_picture
from export.quantization.placement import BundlePlacement, PlacementReport
from export.quantization.placement_table import CAPTION, layer_texts, sqnr_text

__all__ = ["placement_page"]


def placement_page(report: PlacementReport) -> str:
    """The whole report, its picture included."""
    picture = b64encode(placement_picture(report)).decode()
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>MobileVOS placement report</title>\n<style>{STYLE}img {{ max-width: 100%; }}</style>\n</head>\n"
        f"<body>\n<h1>Placement report</h1>\n<p>{escape(CAPTION)}</p>\n"
        f'<img alt="SQNR of each layer" src="data:image/png;base64,{picture}">\n'
        f"<h2>Where bundles differ</h2>\n{_differences(report)}"
        f"{''.join(map(_bundle, report.bundles))}</body>\n</html>\n"
    )


def _differences(report: PlacementReport) -> str:
    if not report.differences:
        return '<p class="good">Nowhere.</p>\n'
    names = [bundle.name for bundle in report.bundles]
    rows = [
        (f"<code>{escape(one.layer)}</code>", one.what, *(escape(one.values.get(name, "-")) for name in names))
        for one in report.differences
    ]
    return html_table(("layer", "in", *map(escape, names)), rows)


def _bundle(bundle: BundlePlacement) -> str:
    headers = ("layer", "meant", "runs in", "weights", "weight scales", "input", "output", "SQNR dB")
    rows = []
    for name, one in bundle.layers.items():
        state = "bad" if one.failed else "good" if one.meant else ""
        runs = f'<span class="{state}">{escape(one.runs_in)}</span>'
        weights = "-" if one.first is None else one.first.weights
        texts = (*layer_texts(one), sqnr_text(one.sqnr_db))
        rows.append((f"<code>{escape(name)}</code>", one.meant or "float", runs, weights, *texts))
    measured = f"<p>{escape(bundle.folder)}; SQNR by {escape(bundle.measured_by)}</p>\n"
    return f"<h2>{escape(bundle.name)}</h2>\n{measured}{html_table(headers, rows)}"
