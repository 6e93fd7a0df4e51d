"""Several engines, each in its own process, one step each in turn: A B C, C B A, A B C, ...

What disturbs one disturbs all, so the ratio of two engines' times on the same frame holds on a noisy machine. Every
other round runs backwards, so that none always follows the same one, whose threads may still be busy for a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import sleep

from benchmarks.protocol import Protocol
from benchmarks.run_record import RunRecord, Step
from benchmarks.turn_process import TurnProcess
from mobilevos.errors import InputError

__all__ = ["SETTLE_SECONDS", "Turns", "interleave", "ratios"]

SETTLE_SECONDS = 0.005
"""Pause before each turn: threads spin for some milliseconds after their work, on cores that the next one needs."""


@dataclass
class Turns:
    """One engine's part of an interleaved run.

    Attributes:
        process: That makes the steps.
        frames: Of its clip.
        steps: Made so far.
        failure: Why it takes no further part; empty if it does.
        record: Once it was stopped well.
    """

    process: TurnProcess
    frames: int
    steps: list[Step] = field(default_factory=list)
    failure: str = ""
    record: RunRecord | None = None

    def take(self) -> None:
        """Makes a step, or notes why it cannot."""
        try:
            self.steps.append(self.process.step())
        except InputError as error:
            self.failure = str(error)

    def finish(self) -> None:
        """Lets it write its record, or notes why it cannot."""
        try:
            self.record = self.process.stop()
        except InputError as error:
            self.failure = str(error)

    @property
    def complete(self) -> bool:
        """Whether a pass over the clip ended after the warm-up, so that there are masks of all frames."""
        return any(step.frame == self.frames - 1 and not step.warm_up for step in self.steps)

    def reached(self, protocol: Protocol) -> bool:
        """Whether it has done what the protocol asks for."""
        times = [step.step_ms for step in self.steps if step.timed]
        return self.complete and len(times) >= protocol.steps and sum(times) >= 1e3 * protocol.seconds


def interleave(
    turns: Sequence[Turns],
    protocol: Protocol,
    *,
    between: Callable[[], None] = lambda: None,
    watch: Callable[[], None] = lambda: None,
) -> None:
    """Lets engines step in turn until each has reached what the protocol asks for, or failed.

    One that has reached it rests, so that a slow engine is not run for as many steps as a fast one needs. The reference
    goes on beside those that have not.

    Args:
        turns: Fresh ones; the first is the reference. One that fails drops out, and the others go on.
        protocol: When to end.
        between: Called before each round, e.g. to measure the machine.
        watch: Called after each round, e.g. to draw a table.
    """
    backwards = False
    while short := [one for one in turns if not one.failure and not one.reached(protocol)]:
        between()
        taking = short if turns[0] in short or turns[0].failure else [turns[0], *short]
        for one in reversed(taking) if backwards else taking:
            sleep(SETTLE_SECONDS)
            one.take()
        backwards = not backwards
        watch()
    for one in turns:
        if not one.failure:
            one.finish()


def ratios(steps: Sequence[Step], reference: Sequence[Step]) -> list[float]:
    """Of the times of the steps that both made on the same frame in the same round, timed in both."""
    return [
        one.step_ms / other.step_ms
        for one, other in zip(steps, reference, strict=False)
        if one.timed and other.timed and (one.lap, one.frame) == (other.lap, other.frame)
    ]
