"""What a check of the training data found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mobilevos.errors import InputError

__all__ = ["DataReport", "SourceReport"]


@dataclass(frozen=True)
class SourceReport:
    """What was found in one data set.

    Attributes:
        name: Its key under `data`, or `validation`.
        root: Its folder.
        sequences: Sequences on disk; 0 for still images.
        absent: Sequences that the data set lists and that are not on disk, which is no problem.
        short: Sequences seen with fewer annotated frames than a clip has; they are passed over.
        frames: Annotated frames seen.
        empty_masks: Masks without an object, which are no problem while others of the sequence have one; 0 in a quick
            check, which reads none.
        problems: One line each: the file, what is wrong with it, and the remedy.
    """

    name: str
    root: str
    sequences: int = 0
    absent: int = 0
    short: int = 0
    frames: int = 0
    empty_masks: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataReport:
    """What was found in all data sets of a run.

    Attributes:
        quick: Whether files were only looked for, and not read.
        sources: By data set.
    """

    quick: bool
    sources: tuple[SourceReport, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """Those of all sources."""
        return tuple(problem for source in self.sources for problem in source.problems)

    def refuse(self) -> None:
        """Passes over a report without problems.

        Raises:
            InputError: With the first problem, and how many more there are.
        """
        if self.problems:
            others = len(self.problems) - 1
            remedy = f"{others} more like it: `mobilevos train ... --check-data` lists all" if others else ""
            raise InputError(self.problems[0], remedy=remedy)

    def to_json(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {"quick": self.quick, "sources": [asdict(source) for source in self.sources]}
