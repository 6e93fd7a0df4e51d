"""One table for two readers: people at a terminal, and Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

__all__ = ["markdown_table", "rich_table"]

Rows = Sequence[Sequence[str]]


def rich_table(title: str, headers: Sequence[str], rows: Rows, caption: str | None = None) -> Table:
    """A table for the terminal; the first column is text, the others are numbers."""
    table = Table(title=title, caption=caption, caption_justify="left")
    for place, header in enumerate(headers):
        table.add_column(header, justify="left" if place == 0 else "right")
    for row in rows:
        table.add_row(*row)
    return table


def markdown_table(headers: Sequence[str], rows: Rows) -> str:
    """The same in GitHub's Markdown, ending with a newline. A `|` in a cell is escaped."""
    lines = [list(headers), ["---", *["---:"] * (len(headers) - 1)], *map(list, rows)]
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)
