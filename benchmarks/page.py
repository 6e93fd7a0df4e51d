"""Results as one HTML page that needs nothing beside it."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence

from benchmarks.distribution_table import DISTRIBUTION_HEADERS, DISTRIBUTION_NOTE, distribution_rows
from benchmarks.plots import component_plot, distribution_plot, over_time_plot, pareto_plot
from benchmarks.result_tables import RESULT_TABLES, caption, remarks
from benchmarks.results import Result
from mobilevos.commands.console import counted

__all__ = ["figure_html", "page", "result_page", "table_html"]

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 0 auto; padding: 1rem;
  background: Canvas; color: CanvasText; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
.plots { display: grid; align-items: start; gap: 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); }
figure { margin: 0; } figure img { width: 100%; height: auto; } figcaption { color: GrayText; font-size: .9rem; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid #8885; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
li { overflow-wrap: anywhere; }
pre { overflow-x: auto; padding: .6rem; border: 1px solid #8885; font-size: .8rem; }
"""


def result_page(results: Sequence[Result]) -> str:
    """The page of a run: tables, plots for each number of threads, remarks, provenance.

    Args:
        results: At least one.
    """
    measured = [one for one in results if one.timing is not None]
    parts = [f"<p>{_text(caption(results))}.</p>"]
    parts += [f"<h2>{_text(one.title)}</h2>\n{table_html(one.headers, one.rows(results))}" for one in RESULT_TABLES]
    parts.append(f"<h2>every component and step</h2>\n<p>{_text(DISTRIBUTION_NOTE)}</p>")
    parts.append(table_html(DISTRIBUTION_HEADERS, distribution_rows(results)))
    parts.append("<ul>" + "".join(f"<li>{_text(line)}</li>" for line in remarks(results)) + "</ul>")
    for threads in dict.fromkeys(one.threads for one in measured):
        of_threads = [one for one in measured if one.threads == threads]
        parts.append(f"<h2>{counted(threads, 'thread')}</h2>\n{_plots(of_threads)}")
    parts.append("<h2>Provenance</h2>\n" + _provenance(measured or results))
    return page("Benchmark of the tracking loop", "\n".join(parts))


def page(title: str, body: str) -> str:
    """A whole page.

    Args:
        title: As plain text.
        body: As HTML.
    """
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
{body}
</body>
</html>
"""


def table_html(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that scrolls sideways where the screen is narrow."""
    head = "".join(f"<th>{_text(cell)}</th>" for cell in headers)
    body = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def figure_html(svg: bytes, text: str) -> str:
    """A plot with its caption. As an image of its own: the ids within one SVG do not meet those of another."""
    source = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
    return f'<figure><img src="{source}" alt="{_text(text)}"/><figcaption>{_text(text)}</figcaption></figure>'


def _plots(results: Sequence[Result]) -> str:
    figures = [
        figure_html(
            distribution_plot(results),
            "Step times: median, middle half, and from the 1st to the 99th percentile.",
        ),
        figure_html(
            component_plot(results),
            "Time by component: above as the loop runs it, below each component called alone. What is memorised every "
            "few frames counts for that part of a frame.",
        ),
    ]
    scored = [one for one in results if one.quality is not None]
    if scored:
        text = (
            "Masks against cost; the line joins those that no other beats in both. Model: the programs that the loop "
            "runs, weights included; of eager, its checkpoint, float16 as shipped."
        )
        figures.append(figure_html(pareto_plot(scored), text))
    figures.append(figure_html(over_time_plot(results), "Over the run: the steps' running median, and memory (PSS)."))
    return '<div class="plots">\n' + "\n".join(figures) + "\n</div>"


def _provenance(results: Sequence[Result]) -> str:
    first = results[0].provenance
    shared = {name: first.get(name) for name in ("commit", "uncommitted_changes", "time")}
    shared = {"machine": {one.device: one.provenance.get("machine") for one in results}, **shared}
    own = {
        f"{one.name}, {one.threads} threads": {
            name: one.provenance.get(name)
            for name in ("versions", "torch_loaded", "affinity", "bundle_sha256", "checkpoint_sha256")
        }
        for one in results
    }
    return f"<pre>{_text(json.dumps(shared | own, indent=1))}</pre>"


def _text(text: str) -> str:
    return html.escape(text)
