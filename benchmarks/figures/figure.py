"""What a figure of the README is."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.protocol import QUICK, Protocol

__all__ = ["SIZE", "Content", "Figure", "Measurement", "Setting", "wrapped"]

SIZE = (480, 864)
"""Height and width of the padded frame that all figures of speed and size are of."""

Content = dict[str, Any]
"""What was measured, as JSON."""


@dataclass(frozen=True)
class Setting:
    """How figures are measured.

    Attributes:
        output: Folder of bundles and reports.
        console: For progress bars and tables.
        threads: CPU threads of every engine.
        protocol: Of the table of speed.
        mutants: Of each target and regime.
        davis: Root of DAVIS 2016; None where the figures chosen need none.
    """

    output: Path
    console: Console
    threads: int = 2
    protocol: Protocol = QUICK
    mutants: int = 1000
    davis: Path | None = None

    @property
    def bundles(self) -> Path:
        """Folder of the bundles, as the harness has it."""
        return self.output / "bundles"


@dataclass(frozen=True)
class Measurement:
    """What a figure shows.

    Attributes:
        content: Of its text.
        pictures: SVG files by name.
    """

    content: Content
    pictures: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """One figure: a table, a sentence, pictures.

    Attributes:
        name: As the README's markers have it.
        measure: Measures it anew.
        markdown: Its text, of the content.
    """

    name: str
    measure: Callable[[Setting], Measurement]
    markdown: Callable[[Content], str]


def wrapped(text: str) -> str:
    """A paragraph in lines of at most 120 characters, ending with a newline."""
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False) + "\n"
