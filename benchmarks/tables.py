"""One table for two readers: people at a terminal, and Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import HEAVY_HEAD, SIMPLE_HEAD
from rich.table import Table

__all__ = ["markdown_table", "rich_table"]

_WIDEST_WORD = 16  # beyond it a cell of text may be folded within a word

Rows = Sequence[Sequence[str]]


def rich_table(
    title: str,
    headers: Sequence[str],
    rows: Rows,
    *,
    text_columns: int = 1,
    caption: str | None = None,
    compact: bool = False,
) -> Table:
    """A table for the terminal.

    Args:
        title: Above it.
        headers: One per column.
        rows: One cell per column.
        text_columns: First columns that are text; the others are numbers, on the right.
        caption: Below it.
        compact: Without lines between columns, for tables that are too wide for a terminal with them.
    """
    table = Table(title=title, caption=caption, caption_justify="left", box=SIMPLE_HEAD if compact else HEAVY_HEAD)
    table.padding = (0, 1, 0, 0) if compact else (0, 1)
    for place, header in enumerate(headers):
        if place < text_columns:
            widest = max((len(word) for row in rows for word in row[place].split()), default=0)
            table.add_column(header, overflow="fold", min_width=min(widest, _WIDEST_WORD))
        else:  # a narrow terminal may break the header, but no number
            table.add_column(header, justify="right", min_width=max((len(row[place]) for row in rows), default=0))
    for row in rows:
        table.add_row(*row)
    return table


def markdown_table(headers: Sequence[str], rows: Rows) -> str:
    """The same in GitHub's Markdown, ending with a newline; the first column is text."""
    lines = [list(headers), ["---", *["---:"] * (len(headers) - 1)], *map(list, rows)]
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)
