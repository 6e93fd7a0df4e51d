"""`python -m benchmarks peers`: what authors of public peers state. Never beside measured rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from benchmarks.tables import markdown_table, rich_table

__all__ = ["PEERS", "Peer", "peers", "read_peers"]

PEERS = Path(__file__).with_name("peers.json")

_HEADERS = ("peer [source]", "speed", "hardware", "weights, M", "DAVIS16", "DAVIS17")
_TITLE = "as stated by their authors"


@dataclass(frozen=True)
class Peer:
    """What was stated of one network on one machine.

    Attributes:
        name: Of the network.
        parameters_millions: Its weights, in units of 1e6; None where not stated.
        davis16: J&F on DAVIS 2016's validation split, 0..100; None where not stated.
        davis17: The same of DAVIS 2017.
        speed: As stated.
        hardware: That the speed is of, as stated.
        source: Who states it.
        pointer: Where: identifier of the paper, and the table or section where it is known.
        approximate: Names of the numbers above that are known about.
    """

    name: str
    parameters_millions: float | None
    davis16: float | None
    davis17: float | None
    speed: str
    hardware: str
    source: str
    pointer: str
    approximate: tuple[str, ...]

    @property
    def stated_in(self) -> str:
        """Who states it, and where."""
        return f"{self.source} ({self.pointer})"

    def cells(self, number: int) -> tuple[str, ...]:
        """A row of the table, where its source has that number."""
        scores = [self._score("davis16"), self._score("davis17")]
        weights = "-" if self.parameters_millions is None else f"{self.parameters_millions:g}"
        return (f"{self.name} [{number}]", self.speed, self.hardware, weights, *scores)

    def _score(self, name: str) -> str:
        value: float | None = getattr(self, name)
        return "-" if value is None else f"{'~' if name in self.approximate else ''}{value:g}"


def read_peers() -> list[Peer]:
    """All peers of `peers.json`, in its order."""
    content = json.loads(PEERS.read_text(encoding="utf-8"))
    return [Peer(**one | {"approximate": tuple(one["approximate"])}) for one in content["peers"]]


def peers(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table in Markdown.")] = False,
) -> None:
    """Print what the authors of public peers state: other machines, protocols and training data, as stated."""
    console = Console(highlight=False)
    known = read_peers()
    sources = list(dict.fromkeys(one.stated_in for one in known))
    rows = [one.cells(sources.index(one.stated_in) + 1) for one in known]
    note = json.loads(PEERS.read_text(encoding="utf-8"))["note"]
    if markdown:
        console.print(f"**Peers, {_TITLE}**\n\n{markdown_table(_HEADERS, rows)}", soft_wrap=True, markup=False)
    else:
        headers = [escape(header) for header in _HEADERS]
        console.print(rich_table(_TITLE, headers, rows, text_columns=3, compact=True))
    console.print(f"{note}\n", soft_wrap=markdown, markup=False)
    for number, source in enumerate(sources, start=1):
        console.print(f"{number}. {source}" if markdown else f"[{number}] {source}", soft_wrap=markdown, markup=False)
