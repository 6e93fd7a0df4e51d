"""Two sets of results side by side, with a verdict that knows the noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.jobs import REFERENCE
from benchmarks.noise import Interval, resampled_medians
from benchmarks.results import FAILED, INVALID, Result
from mobilevos.commands.console import counted

__all__ = ["UNKNOWN_SPREAD", "Comparison", "compare_results", "key_of", "warnings_of"]

UNKNOWN_SPREAD = 0.03
"""Least spread between runs that is assumed of one run alone: pages and cores fall differently each time."""

_PARTS = 4
"""Of a run, in order, between which it is seen to wander."""

Key = tuple[str, str, int, str]


@dataclass(frozen=True)
class Comparison:
    """One target on both sides.

    Attributes:
        key: Target, precision, threads and clip.
        measure: `ratio` to the reference where both sides have one, which carries over between machines; else `ms`.
        before: Of the first side, in that measure.
        after: Of the second.
        change: After over before, less 1, with its interval.
        assumed_spread: What the interval was widened by on either side, as a share: where a side is one run alone, as
            much as a run wandered between its quarters, and at least `UNKNOWN_SPREAD`.
        j_and_f: Difference of J&F, after less before; None where a side has none.
        same_interleaving: Whether the same targets took turns in all runs of both sides. Each leaves its traces in the
            caches that the next one finds, so with others a target's time is another one, and is not judged.
        verdict: In words.
    """

    key: Key
    measure: str
    before: float
    after: float
    change: Interval
    assumed_spread: float
    j_and_f: float | None
    same_interleaving: bool
    verdict: str


def key_of(result: Result, *, phones_apart: bool = False) -> Key:
    """What must be equal for two rows to be comparable.

    Args:
        result: The row.
        phones_apart: Whether rows of different phones are different things, and no repeated runs.
    """
    clip = result.clip
    sizes = f"{clip.height}x{clip.width}, {clip.frames} frames, {clip.objects} objects, {clip.memory_frames} in memory"
    sizes += f", one in {clip.memory_every} memorised"
    where = f" on {result.device}" if phones_apart else ""
    return (result.target, f"{result.precision}{where}", result.threads, f"{clip.name} ({sizes})")


def compare_results(before: Sequence[Result], after: Sequence[Result]) -> list[Comparison]:
    """Compares what both sides measured. Several rows of one key on a side are repeated runs.

    Args:
        before: Of one commit or machine.
        after: Of the other.
    """
    comparisons, apart = [], _phones_apart(before, after)
    for key in dict.fromkeys(key_of(one, phones_apart=apart) for one in before):
        ours, theirs = (
            [one for one in side if key_of(one, phones_apart=apart) == key and one.timing] for side in (before, after)
        )
        if ours and theirs:
            comparisons.append(_compare(key, ours, theirs))
    return comparisons


def warnings_of(before: Sequence[Result], after: Sequence[Result]) -> list[str]:
    """What makes the sides less than comparable."""
    warnings = []
    for side, results in (("first", before), ("second", after)):
        names = sorted(
            {f"{one.name}, {counted(one.threads, 'thread')}" for one in results if one.status in (INVALID, FAILED)}
        )
        if names:
            warnings.append(f"rows of the {side} side that do not count: {'; '.join(names)}")
    machines = [{str(one.provenance["machine"].get("processor")) for one in side} for side in (before, after)]
    if machines[0] != machines[1]:
        found = " and ".join(", ".join(sorted(one)) for one in machines)
        warnings.append(f"other machines ({found}): only ratios to the reference carry over")
    interleaved = [{_interleaved(one) for one in side if one.timing} for side in (before, after)]
    if len(interleaved[0] | interleaved[1]) > 1:
        found = " and ".join(" or ".join(sorted(map(", ".join, one))) or "none" for one in interleaved)
        warnings.append(f"other targets took turns ({found}): rows are judged only where these are the same")
    apart = _phones_apart(before, after)
    keys = [{key_of(one, phones_apart=apart) for one in side if one.timing} for side in (before, after)]
    missing = keys[0] ^ keys[1]
    if missing:
        names = sorted(
            {f"{target} {precision}, {counted(threads, 'thread')}" for target, precision, threads, _ in missing}
        )
        warnings.append(f"on one side alone: {'; '.join(names)}")
    return warnings


def _phones_apart(*sides: Sequence[Result]) -> bool:
    """Whether a side has rows of several phones, which are then compared one by one."""
    return any(len({one.device for one in side}) > 1 for side in sides)


def _interleaved(result: Result) -> tuple[str, ...]:
    """The jobs that took turns in a row's run."""
    return tuple(result.protocol["interleaved_with"])


def _compare(key: Key, before: Sequence[Result], after: Sequence[Result]) -> Comparison:
    has_ratio = all(_has_ratio(one) for one in (*before, *after))
    measure = "ratio" if has_ratio else "ms"
    sides = [[one.series.ratio if has_ratio else one.series.step_ms for one in side] for side in (before, after)]
    values = [float(np.median([np.median(run) for run in runs])) for runs in sides]
    resampled = [_medians(runs, seed) for seed, runs in enumerate(sides)]
    low, high = (np.percentile(resampled[1] / resampled[0], (2.5, 97.5)) - 1).tolist()
    spread = _assumed_spread(sides)
    change = Interval(values[1] / values[0] - 1, low - spread, high + spread)
    quality = [
        one.quality.j_and_f for one in (before[-1], after[-1]) if one.quality and one.quality.j_and_f is not None
    ]
    difference = quality[1] - quality[0] if len(quality) == 2 else None
    same = len({_interleaved(one) for one in (*before, *after)}) == 1
    verdict = _verdict(change, difference, judged=same)
    return Comparison(key, measure, values[0], values[1], change, spread, difference, same, verdict)


def _has_ratio(result: Result) -> bool:
    """Whether a row has ratios to eager in fp32. A base's own are 1 whatever it does, and say nothing."""
    base = next(iter(result.protocol["interleaved_with"]), "")
    return bool(result.series.ratio) and base == f"{REFERENCE}-fp32" and result.target != REFERENCE


def _medians(runs: Sequence[Sequence[float]], seed: int) -> NDArray[np.float64]:
    """Medians of resamples: a run is drawn, and of it blocks of steps."""
    of_runs = np.stack([resampled_medians(run, seed=2 * place + seed) for place, run in enumerate(runs)])
    chosen = np.random.default_rng(seed).integers(len(runs), size=of_runs.shape[1])
    drawn: NDArray[np.float64] = of_runs[chosen, np.arange(of_runs.shape[1])]
    return drawn


def _assumed_spread(sides: Sequence[Sequence[Sequence[float]]]) -> float:
    """What repeated runs would add to the interval: nothing where both sides have some, else what is assumed.

    What a machine does between two runs it also does within one, if that is long: a run of which a quarter was slower
    than another says how far the next run may be off.
    """
    if min(len(runs) for runs in sides) > 1:
        return 0.0
    return max(UNKNOWN_SPREAD, *(_spread_within(run) for runs in sides for run in runs))


def _spread_within(run: Sequence[float]) -> float:
    """How far the medians of a run's quarters lie apart, as a share of its own."""
    parts = np.array_split(np.asarray(run, np.float64), min(_PARTS, len(run)))
    return float(np.ptp([np.median(part) for part in parts]) / np.median(run))


def _verdict(change: Interval, j_and_f: float | None, *, judged: bool) -> str:
    if not judged:
        speed = "not judged: other targets took turns"
    elif change.low <= 0 <= change.high:
        speed = "no difference beyond the noise"
    else:
        speed = f"{abs(100 * change.value):.0f} % {'slower' if change.value > 0 else 'faster'}"
    if j_and_f is None or abs(j_and_f) < 5e-4:
        return speed
    return f"{speed}; J&F {100 * j_and_f:+.1f}"
