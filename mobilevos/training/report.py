"""The report of a run: one HTML file that needs nothing beside it, and its machine-readable twin."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mobilevos.files import atomic_write_text
from mobilevos.training.curves import SMOOTHED_SHARE, curve_svg, smooth
from mobilevos.training.run_folder import RunRecord, Series, Validated, read_run

__all__ = ["write_report"]

_OTHERS = {
    "learning_rate_factor": "learning rate / peak",
    "gradient_norm": "gradient norm",
    "images_per_second": "images/s",
}
"""Titles of what the log holds beside losses."""

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem;
  background: Canvas; color: CanvasText; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
.curves { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); }
figure { margin: 0; } img { width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.6rem; text-align: right; border-bottom: 1px solid #8885; white-space: nowrap; }
th:first-child, td:first-child, .facts td { text-align: left; }
.facts td { white-space: normal; overflow-wrap: anywhere; }
tfoot td { font-weight: bold; }
pre { overflow-x: auto; padding: 0.6rem; border: 1px solid #8885; font-size: 0.85rem; }
"""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_report(folder: Path) -> Path:
    """Writes `report.html` and `report.json` into a run's folder, from what lies there.

    The page holds the curves of the log, J&F of the validations, the last one in full with its picture, the
    configuration, versions and hashes. A part that the run does not have is said to be missing. The same folder gives
    the same bytes.

    Args:
        folder: As `train` wrote it, or is still writing it.

    Returns:
        The HTML file.

    Raises:
        InputError: There is no such folder, a file in it is damaged, or the report cannot be written.
    """
    record = read_run(folder)
    atomic_write_text(folder / "report.json", json.dumps(_to_json(record), indent=2) + "\n")
    page = folder / "report.html"
    atomic_write_text(page, _page(record))
    return page


def _to_json(record: RunRecord) -> dict[str, Any]:
    last = record.validations[-1] if record.validations else None
    return {
        "run": record.name,
        "log": {
            name: {"step": series.steps[-1], "smoothed": _smoothed(series)[-1]}
            for name, series in record.series.items()
        },
        "validations": [{"step": one.step, "j_and_f": one.j_and_f} for one in record.validations],
        "last_validation": last and {"step": last.step, **last.score},
        "weights_sha256": record.weights,
        "provenance": record.provenance,
    }


def _page(record: RunRecord) -> str:
    title = f"Training run {record.name}"
    sections = [
        ("Curves", _curves(record.series)),
        ("Validation", _validation(record.validations)),
        ("Versions and hashes", _facts(record)),
        ("Configuration", f"<pre>{_text(record.config)}</pre>" if record.config else _missing("configuration")),
    ]
    body = "\n".join(f"<section>\n<h2>{name}</h2>\n{content}\n</section>" for name, content in sections)
    # Void elements are closed, so that an XML parser takes the page, too.
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>{_text(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{_text(title)}</h1>
<p>{_text(_summary(record))}</p>
{body}
</body>
</html>
"""


def _summary(record: RunRecord) -> str:
    facts = [f"{name} {record.provenance[name]}" for name in ("stage", "preset", "seed") if name in record.provenance]
    if "loss" in record.series:
        series = record.series["loss"]
        facts.append(f"loss {_smoothed(series)[-1]:.4f} at step {series.steps[-1]}")
    if record.validations:
        best = max(record.validations, key=lambda one: one.j_and_f)
        last = record.validations[-1]
        facts.append(f"J&F {_percent(last.j_and_f)} at step {last.step}")
        facts.append(f"best J&F {_percent(best.j_and_f)} at step {best.step}")
    return ", ".join(facts) or "Nothing was recorded yet."


def _curves(series: dict[str, Series]) -> str:
    if not series:
        return _missing("log")
    losses = [name for name in series if name not in _OTHERS]
    figures = [
        _figure(f"{_OTHERS.get(name, name)}: {smoothed[-1]:.4g}", curve_svg(one.steps, one.values, smoothed))
        for name in [*losses, *(name for name in _OTHERS if name in series)]
        for one in [series[name]]
        for smoothed in [_smoothed(one)]
    ]
    share = f"<p>Faint: as logged. Bold: mean over about {100 * SMOOTHED_SHARE:.0f} % of the log.</p>"
    return share + '\n<div class="curves">\n' + "\n".join(figures) + "\n</div>"


def _smoothed(series: Series) -> list[float]:
    return smooth(series.values, max(1.0, SMOOTHED_SHARE * len(series.values)))


def _validation(validations: Sequence[Validated]) -> str:
    if not validations:
        return _missing("validation")
    last, parts = validations[-1], []
    if len(validations) > 1:
        scores = [100 * one.j_and_f for one in validations]
        parts.append(_figure("J&F, %", curve_svg([one.step for one in validations], scores)))
    parts.append(f"<p>After step {last.step}, with the averaged weights, in percent:</p>")
    parts.append(_score_table(last))
    if last.picture is not None:
        parts.append(_figure("The tracked sequences", last.picture.read_bytes(), kind="png"))
    return "\n".join(parts)


def _score_table(validated: Validated) -> str:
    header = _row(("Sequence", "J&F", "J mean", "recall", "decay", "F mean", "recall", "decay"), "th")
    rows = [_row((name, *map(_percent, measures))) for name, measures in validated.sequences.items()]
    total = _row((f"all {len(rows)}", *map(_percent, validated.overall)))
    head, foot = f"<thead>{header}</thead>", f"<tfoot>{total}</tfoot>"
    return f'<div class="wide"><table>{head}<tbody>{"".join(rows)}</tbody>{foot}</table></div>'


def _facts(record: RunRecord) -> str:
    facts = {name: value for name, value in record.provenance.items() if value is not None}
    facts |= {f"{name} SHA-256": digest for name, digest in record.weights.items()}
    if not facts:
        return _missing("provenance")
    rows = "".join(_row((name, str(value))) for name, value in facts.items())
    return f'<table class="facts"><tbody>{rows}</tbody></table>'


def _row(cells: Iterable[str], tag: str = "td") -> str:
    return "<tr>" + "".join(f"<{tag}>{_text(cell)}</{tag}>" for cell in cells) + "</tr>"


def _figure(caption: str, picture: bytes, kind: str = "svg+xml") -> str:
    # As an image of its own: the ids within one SVG do not meet those of another.
    source = f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
    return f'<figure><img src="{source}" alt="{_text(caption)}"/><figcaption>{_text(caption)}</figcaption></figure>'


def _missing(part: str) -> str:
    return f"<p>This run has no {part}.</p>"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _text(text: str) -> str:
    """Escaped, and without the characters that no page can hold."""
    return html.escape(_NOT_XML.sub("\ufffd", text))
