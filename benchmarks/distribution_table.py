"""Every statistic of every component and step, for the page: too wide for a terminal and too long for a README."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.protocol import Distribution
from benchmarks.results import Result

__all__ = ["DISTRIBUTION_HEADERS", "DISTRIBUTION_NOTE", "distribution_rows"]

DISTRIBUTION_HEADERS = (
    "target",
    "threads",
    "part",
    "calls",
    "min",
    "p50",
    "p90",
    "p99",
    "mean",
    "std",
    "GMACs",
    "GFLOP/s",
)
DISTRIBUTION_NOTE = (
    "Milliseconds. The whole step holds what the loop does around the components; its GMACs are those of an average "
    "frame, which is memorised every few frames. GFLOP/s: two operations for each multiply-accumulate, in the median "
    "call; of the whole step, in the components' time of an average frame."
)


def distribution_rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """A row for each part of each measured result: the whole step, what the loop calls, each component alone."""
    return [
        (result.name, str(result.threads), part, *_times(times), *_work(gmacs, gflops))
        for result in results
        for part, times, gmacs, gflops in _parts(result)
    ]


def _parts(result: Result) -> Iterator[tuple[str, Distribution, float | None, float | None]]:
    """Name, times, GMACs and GFLOP/s."""
    timing, work = result.timing, result.work
    if timing is None:
        return
    yield "whole step", timing.step, work.frame_gmacs if work else None, work.gflops if work else None
    for where, tables in (("in the loop", timing.components), ("alone", timing.single)):
        for name, times in tables.items():
            gmacs = work.gmacs.get(name) if work else None
            yield f"{name}, {where}", times, gmacs, None if gmacs is None else 2 * gmacs / times.p50 * 1e3


def _times(times: Distribution) -> tuple[str, ...]:
    values = (times.min, times.p50, times.p90, times.p99, times.mean, times.std)
    return (f"{times.count:,}", *(f"{value:.2f}" for value in values))


def _work(gmacs: float | None, gflops: float | None) -> tuple[str, str]:
    return "-" if gmacs is None else f"{gmacs:.2f}", "-" if gflops is None else f"{gflops:.0f}"
