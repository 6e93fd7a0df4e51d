"""Does a long clip cost more at its end than at its start? Memory, and step time beside a young process.

Two windows of the run are interleaved with a control: the same engine on the same clip, in a process that was just
started. What both share (a busy machine, heat) cancels in the ratio of their times, and what remains is age, of the
tracker as of the process.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.interleaving import Turns
from benchmarks.run_record import Step
from benchmarks.turn_process import TurnProcess
from mobilevos.errors import InputError

__all__ = ["MEMORY_LIMIT", "TIME_LIMIT", "WARM_UP", "WINDOW", "Growth", "LongRun", "growth", "run_long"]

MEMORY_LIMIT = 1.02
TIME_LIMIT = 1.05
WARM_UP = 10
WINDOW = 100
"""Steps that are compared at each end."""

Command = Callable[[Path], Sequence[str]]
"""Of a process that steps in turn and writes into a folder."""


@dataclass(frozen=True)
class LongRun:
    """What was seen.

    Attributes:
        steps: Of the long run, in order.
        early: Its step times over the young control's, in the first window.
        late: The same in the last window, beside another young control.
    """

    steps: list[Step]
    early: list[float]
    late: list[float]


@dataclass(frozen=True)
class Growth:
    """What changed over a long clip.

    Attributes:
        early_bytes: Resident memory of the process at the end of the first window.
        late_bytes: At the last frame.
        early_time: Median of a step's time, relative to a young process's, in the first window.
        late_time: The same in the last window.
    """

    early_bytes: int
    late_bytes: int
    early_time: float
    late_time: float

    @property
    def memory_ratio(self) -> float:
        """Memory late over early."""
        return self.late_bytes / self.early_bytes

    @property
    def time_ratio(self) -> float:
        """Step time late over early."""
        return self.late_time / self.early_time

    @property
    def flat(self) -> bool:
        """Whether neither grew by more than its limit."""
        return self.memory_ratio <= MEMORY_LIMIT and self.time_ratio <= TIME_LIMIT


def growth(run: LongRun) -> Growth:
    """Compares the end of a long run with its start.

    Memory is the resident one: its PSS would change with the number of processes that share the libraries.
    """
    early = run.steps[WARM_UP + len(run.early) - 1]
    return Growth(early.rss_bytes, run.steps[-1].rss_bytes, statistics.median(run.early), statistics.median(run.late))


def run_long(
    name: str,
    command: Command,
    output: Path,
    frames: int,
    memory_every: int,
    *,
    window: int = WINDOW,
    advance: Callable[[], None] = lambda: None,
) -> LongRun:
    """Tracks a clip once from end to end, with a young control beside it at its start and at its end.

    Args:
        name: Of the engine, for messages.
        command: Runs it on the clip.
        output: Folder of the records.
        frames: Of the clip; two warm-ups and windows at least.
        memory_every: Frames from one memorised frame to the next: a control's frames memorise when the run's do.
        window: Steps to compare at each end.
        advance: Called after each frame.

    Raises:
        InputError: The clip is too short, or a process ended.
    """
    least = 2 * (WARM_UP + window) + memory_every
    if frames < least:
        raise InputError(f"a clip of {frames} frames", expected=f"{least} or more")
    last = frames - window - WARM_UP
    last -= last % memory_every
    old = TurnProcess(name, command(output / "long"), output / "long")
    steps: list[Step] = []

    def alone(count: int) -> None:
        for _ in range(count):
            steps.append(old.step())
            advance()

    def beside(label: str, count: int) -> list[float]:
        control = Turns(TurnProcess(f"{name}, control", command(output / label), output / label), frames)
        try:
            ratios = [_round(old, control, steps, backwards=bool(place % 2), advance=advance) for place in range(count)]
            control.process.stop()
        finally:
            control.process.close()
        return ratios[WARM_UP:]

    try:
        early = beside("early", WARM_UP + window)
        alone(last - len(steps))
        late = beside("late", frames - last)
        old.stop()
    finally:
        old.close()
    return LongRun(steps, early, late[-window:])


def _round(
    old: TurnProcess, control: Turns, steps: list[Step], *, backwards: bool, advance: Callable[[], None]
) -> float:
    """One step of each; gives the ratio of their times."""
    if backwards:
        control.take()
    steps.append(old.step())
    if not backwards:
        control.take()
    if control.failure:
        raise InputError(control.failure)
    advance()
    return steps[-1].step_ms / control.steps[-1].step_ms
