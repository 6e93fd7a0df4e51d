"""The record of what the README shows, and the README's markers.

The record lies beside this file. So the README's tables have the format that this package gives them, and a test sees
when one is older than the shipped weights.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures.figure import Content, Measurement
from benchmarks.machine import describe_machine
from benchmarks.provenance import provenance
from mobilevos.errors import InputError
from mobilevos.files import atomic_write_bytes, atomic_write_text, sha256_of
from mobilevos.weights import default_checkpoint, default_int8_checkpoint

__all__ = ["RECORD", "Entry", "keep", "place_figures", "read_record", "shipped_weights", "shown_figures"]

RECORD = Path(__file__).with_name("record.json")

_FORMAT = 2
_BLOCK = re.compile(r"<!-- figures:(\w+) -->\n(.*?)<!-- /figures:\1 -->\n", re.DOTALL)


@dataclass(frozen=True)
class Entry:
    """One figure of the record.

    Attributes:
        weights: SHA-256 of the shipped weights that were measured, by file name.
        commit: Of the code; None where it is not known.
        time: Of the measurement, ISO 8601.
        processor: Of the machine.
        pictures: SHA-256 of the files beside the record, by name.
        content: What was measured.
    """

    weights: dict[str, str]
    commit: str | None
    time: str
    processor: str
    pictures: dict[str, str]
    content: Content


def shipped_weights() -> dict[str, str]:
    """SHA-256 of the weights that this package brings, by file name."""
    found = (default_checkpoint(), default_int8_checkpoint())
    return {path.name: sha256_of(path) for path in found if path is not None}


def read_record(path: Path = RECORD) -> dict[str, Entry]:
    """The record, by the name of the figure.

    Raises:
        InputError: There is none, or it is not one.
    """
    try:
        facts: dict[str, Any] = json.loads(path.read_bytes())
        if facts["format"] != _FORMAT:
            raise ValueError("another format")
        return {name: Entry(**one) for name, one in facts["figures"].items()}
    except OSError as error:
        raise InputError(f"cannot read {path}", found=error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no record of figures", found=repr(error)[:120]) from error


def keep(name: str, measured: Measurement, path: Path = RECORD) -> None:
    """Writes a figure's pictures and its entry, beside those that the record already holds.

    Args:
        name: Of the figure.
        measured: Of the shipped weights, here and now.
        path: The record, which need not be there yet.

    Raises:
        InputError: What lies there is no record, or it cannot be written.
    """
    known = read_record(path) if path.exists() else {}
    origin = provenance(describe_machine())
    entry = Entry(
        weights=shipped_weights(),
        commit=origin["commit"],
        time=origin["time"],
        processor=str(origin["machine"]["processor"]),
        pictures={file: hashlib.sha256(content).hexdigest() for file, content in measured.pictures.items()},
        content=measured.content,
    )
    for file, content in measured.pictures.items():
        atomic_write_bytes(path.parent / file, content)
    figures = {one: asdict(entry) for one, entry in sorted({**known, name: entry}.items())}
    atomic_write_text(path, json.dumps({"format": _FORMAT, "figures": figures}, indent=1) + "\n")


def shown_figures(text: str) -> dict[str, str]:
    """What stands between the markers of a Markdown file, by the name of the figure."""
    return {match[1]: match[2] for match in _BLOCK.finditer(text)}


def place_figures(text: str, figures: Mapping[str, str]) -> str:
    """The Markdown file with new figures between its markers.

    Args:
        text: The file.
        figures: By name.

    Raises:
        InputError: A figure has no markers in the file, or the file names one that there is not.
    """
    missing: Sequence[str] = sorted(set(figures) ^ set(shown_figures(text)))
    if missing:
        expected = f"<!-- figures:{missing[0]} --> and <!-- /figures:{missing[0]} --> in the file, and the figure"
        raise InputError(f"figure {missing[0]} has no place", expected=expected)
    return _BLOCK.sub(lambda match: _block(match[1], figures[match[1]]), text)


def _block(name: str, content: str) -> str:
    return f"<!-- figures:{name} -->\n{content}<!-- /figures:{name} -->\n"
