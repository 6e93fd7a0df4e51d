"""What the README shows of speed and memory: from a record of what was measured to the Markdown between its markers.

The record lies in `figures.json`. So the README's tables have the format that this file gives them, and a test sees
when they are older than the shipped weights.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.growth import Growth
from benchmarks.results import Result
from benchmarks.tables import markdown_table
from mobilevos.contract import COMPONENTS
from mobilevos.errors import InputError

__all__ = [
    "RECORD",
    "EngineColumn",
    "Figures",
    "LongClip",
    "column_of",
    "place_figures",
    "read_figures",
    "shown_figures",
]

RECORD = Path(__file__).with_name("figures.json")

_WHOLE = "whole step"
_BLOCK = re.compile(r"<!-- figures:(\w+) -->\n(.*?)<!-- /figures:\1 -->\n", re.DOTALL)


@dataclass(frozen=True)
class EngineColumn:
    """One engine of the table of speed.

    Attributes:
        name: Target and precision.
        p50: Median milliseconds by component, and of the `whole step`.
        ratio: The same, relative to the reference.
        share_of_limit: Of the machine's matrix-product limit, 0..1; None where it was not measured.
        j_and_f: Of its masks, 0..1; None where it was not scored.
    """

    name: str
    p50: dict[str, float]
    ratio: dict[str, float]
    share_of_limit: float | None
    j_and_f: float | None


@dataclass(frozen=True)
class LongClip:
    """What became of a long clip.

    Attributes:
        frames: Of the clip.
        memory_ratio: Resident memory at its end over that after the first hundred frames.
        time_ratio: The same of the step time, relative to a young process.
    """

    frames: int
    memory_ratio: float
    time_ratio: float

    @classmethod
    def of(cls, frames: int, found: Growth) -> LongClip:
        """From a long run."""
        return cls(frames, found.memory_ratio, found.time_ratio)


@dataclass(frozen=True)
class Figures:
    """All that the README shows.

    Attributes:
        weights_sha256: Of the shipped student that was measured.
        commit: Of the code; None where it was not recorded.
        time: Of the measurement, ISO 8601.
        processor: Of the machine.
        threads: Of every engine.
        steps: Timed steps of each engine, at least.
        frame_gmacs: Multiply-accumulates of an average frame, in units of 1e9.
        segment_gmacs: Of the fused step.
        limit_gflops: The machine's matrix-product limit in the same run, in GFLOP/s.
        note: How the engines were run.
        engines: The reference first.
        long: A long clip.
    """

    weights_sha256: str
    commit: str | None
    time: str
    processor: str
    threads: int
    steps: int
    frame_gmacs: float
    segment_gmacs: float
    limit_gflops: float
    note: str
    engines: tuple[EngineColumn, ...]
    long: LongClip

    def to_json(self) -> str:
        """As the record's file."""
        return json.dumps({"format": 1, **asdict(self)}, indent=2) + "\n"

    def markdown(self) -> dict[str, str]:
        """What stands between the README's markers, by the name of the figure."""
        return {"speed": self._speed(), "memory": self._memory()}

    def _speed(self) -> str:
        reference, *others = self.engines
        rows = []
        for part in (*COMPONENTS, _WHOLE):
            cells = [f"{reference.p50[part]:.1f}"]
            rows.append([part, *cells, *(f"{one.p50[part]:.1f} ({one.ratio[part]:.2f})" for one in others)])
        if all(one.j_and_f is not None for one in self.engines):
            rows.append(["J&F of this run", *(f"{100 * (one.j_and_f or 0):.1f}" for one in self.engines)])
        table = markdown_table(("ms (ratio)", *(one.name for one in self.engines)), rows)
        shares = [
            f"{one.name} {100 * one.share_of_limit:.0f} %" for one in self.engines if one.share_of_limit is not None
        ]
        text = (
            f"{self.steps} steps of each engine in turn, {self.threads} threads, {self.processor}. {self.note} An "
            f"average frame has {self.frame_gmacs:.2f} GMACs, the fused step {self.segment_gmacs:.2f}. Matrix-product "
            f"limit {self.limit_gflops:.0f} GFLOP/s, of which an average frame reaches: {', '.join(shares)}."
        )
        return f"{table}\n{_wrapped(text)}"

    def _memory(self) -> str:
        return _wrapped(
            f"Over {self.long.frames:,} frames, resident memory at the end is {self.long.memory_ratio:.3f} times that "
            f"after the first hundred, and a step takes {self.long.time_ratio:.3f} times as long, relative to a young "
            "loop beside it."
        )


def column_of(result: Result, reference: Result) -> EngineColumn:
    """The column of one engine; ratios of the whole step are those of steps on the same frame.

    Raises:
        InputError: The result does not count, or components are missing from it.
    """
    p50, base = _medians(result), _medians(reference)
    ratio = {name: p50[name] / base[name] for name in p50}
    if result.ratio is not None:
        ratio[_WHOLE] = result.ratio.value
    quality = result.quality.j_and_f if result.quality else None
    return EngineColumn(result.name, p50, ratio, result.work.share_of_limit if result.work else None, quality)


def _medians(result: Result) -> dict[str, float]:
    timing = result.timing
    if result.reasons or timing is None:
        raise InputError(f"{result.name} cannot be shown", found=f"{result.status}: {'; '.join(result.reasons)}")
    times = {**timing.single, **timing.components}
    if missing := [name for name in COMPONENTS if name not in times]:
        raise InputError(f"{result.name} cannot be shown", found=f"no times of {', '.join(missing)}")
    return {name: times[name].p50 for name in COMPONENTS} | {_WHOLE: timing.step.p50}


def read_figures(path: Path = RECORD) -> Figures:
    """The record of what the README shows.

    Raises:
        InputError: There is none, or it is not one.
    """
    try:
        facts: dict[str, Any] = json.loads(path.read_bytes())
        if facts.pop("format") != 1:
            raise ValueError("another format")
        engines = tuple(EngineColumn(**one) for one in facts["engines"])
        return Figures(**facts | {"engines": engines, "long": LongClip(**facts["long"])})
    except OSError as error:
        raise InputError(f"cannot read {path}", found=error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no record of figures", found=repr(error)[:120]) from error


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


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False) + "\n"


def _block(name: str, content: str) -> str:
    return f"<!-- figures:{name} -->\n{content}<!-- /figures:{name} -->\n"
