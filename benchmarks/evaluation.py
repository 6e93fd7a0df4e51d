"""From what was measured to a row of results: statistics, rates, and scores of the very masks of the timed run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.agreement import JandF, frame_iou
from benchmarks.clips import Clip
from benchmarks.host import Measured
from benchmarks.interleaving import SETTLE_SECONDS
from benchmarks.jobs import Skipped
from benchmarks.macs import average_gmacs
from benchmarks.noise import median_interval
from benchmarks.protocol import (
    Distribution,
    Protocol,
    component_protocol,
    component_times,
    distribution,
    drift,
    frames_per_second,
    invalid_reasons,
)
from benchmarks.results import (
    FAILED,
    INVALID,
    SKIPPED,
    VALID,
    ClipFacts,
    Quality,
    Result,
    Series,
    Timing,
    Work,
)
from benchmarks.run_record import RunRecord, Step
from mobilevos.commands.console import counted

__all__ = ["RunFacts", "evaluate", "skipped_result"]

Masks = NDArray[np.uint8]


@dataclass(frozen=True)
class RunFacts:
    """What all rows of a run share.

    Attributes:
        device: As the user named it.
        threads: CPU threads.
        clip: What was tracked.
        protocol: How long.
        interleaved_with: Names of the jobs that took turns.
        gmacs: Of each component.
        limit_gflops: The machine's matrix-product limit; None where it was not measured.
        provenance: See `benchmarks.provenance`.
        components: Whether each component is also called alone.
    """

    device: str
    threads: int
    clip: ClipFacts
    protocol: Protocol
    interleaved_with: tuple[str, ...]
    gmacs: Mapping[str, float]
    limit_gflops: float | None
    provenance: Mapping[str, Any]
    components: bool = True


def evaluate(
    parts: Sequence[Measured], clips: Sequence[Clip], references: Sequence[Masks | None], facts: RunFacts
) -> Result:
    """The row of one job.

    Args:
        parts: One for each clip.
        clips: Of the run.
        references: The reference's masks of each clip, where it has some.
        facts: Of the run.
    """
    job = parts[0].job
    records = [part.record for part in parts if part.record is not None and part.record.timed]
    runs = [run for part in parts if _timed(run := part.record.steps if part.record else list(part.partial))]
    complete = len(records) == len(clips) and all(part.masks is not None for part in parts)
    failures = [_failure(part) for part in parts if part.failure]
    skipped = [part.skipped for part in parts if part.skipped][:1]
    reasons = skipped or failures or list(invalid_reasons(records, complete, facts.protocol))
    single = [part.single.steps if part.single else list(part.partial_single) for part in parts]
    timing = _timing(runs, single, [record.load_ms for record in records]) if runs else None
    ratios = [ratio for part in parts for ratio in part.ratios]
    resident, shared = _peaks(parts)
    return Result(
        target=job.target,
        precision=job.precision,
        threads=facts.threads,
        device=facts.device,
        status=SKIPPED if skipped else FAILED if failures else INVALID if reasons else VALID,
        reasons=reasons,
        note=job.contestant.note,
        clip=facts.clip,
        protocol=_protocol(facts),
        timing=timing,
        ratio=median_interval(ratios) if ratios else None,
        peak_rss_bytes=max(resident, default=None),
        peak_pss_bytes=max(shared, default=None),
        model_bytes=job.model_bytes,
        work=_work(timing, facts) if timing else None,
        quality=_quality(parts, clips, references) if complete else None,
        series=_series(runs, ratios),
        provenance={
            **facts.provenance,
            **_origin(records, [part.thermal for part in parts if part.thermal]),
            "checkpoint_sha256": job.checkpoint_sha256,
        },
    )


def skipped_result(skipped: Skipped, facts: RunFacts) -> Result:
    """The row of a target that could not be measured."""
    origin = {**_origin([], []), "checkpoint_sha256": None}
    return Result(
        target=skipped.target,
        precision=skipped.precision,
        threads=facts.threads,
        device=facts.device,
        status=SKIPPED,
        reasons=[skipped.reason],
        note="",
        clip=facts.clip,
        protocol=_protocol(facts),
        timing=None,
        ratio=None,
        peak_rss_bytes=None,
        peak_pss_bytes=None,
        model_bytes=None,
        work=None,
        quality=None,
        series=Series(),
        provenance={**facts.provenance, **origin},
    )


def _protocol(facts: RunFacts) -> dict[str, Any]:
    alone = component_protocol(facts.protocol) if facts.components else None
    return {
        **asdict(facts.protocol),
        "components": alone and {"steps": alone.steps, "seconds": alone.seconds},
        "interleaved_with": list(facts.interleaved_with),
        "settle_ms": 1e3 * SETTLE_SECONDS,
    }


def _failure(part: Measured) -> str:
    kept = len(_timed(part.partial))
    return f"{part.failure}; partial: {counted(kept, 'timed step')} before it" if kept else part.failure


def _timed(steps: Sequence[Step]) -> list[Step]:
    return [step for step in steps if step.timed]


def _peaks(parts: Sequence[Measured]) -> tuple[list[int], list[int]]:
    """Largest RSS and PSS of each run in bytes; of one that broke off the largest that was seen."""
    records = [part.record for part in parts if part.record is not None]
    seen = [step for part in parts if part.record is None for step in part.partial]
    resident = [record.peak_rss_bytes for record in records] + [step.rss_bytes for step in seen]
    shared = [record.peak_pss_bytes for record in records] + [step.pss_bytes for step in seen]
    return resident, [one for one in shared if one is not None]


def _timing(runs: Sequence[Sequence[Step]], single: Sequence[Sequence[Step]], load_ms: Sequence[float]) -> Timing:
    steps = [step.step_ms for run in runs for step in _timed(run)]
    return Timing(
        distribution(steps),
        _components(runs),
        _components(single),
        fmean(load_ms) if load_ms else None,
        fmean(run[0].step_ms for run in runs),
        frames_per_second(steps),
        sum(steps) / 1e3,
        drift(steps) if len(steps) > 1 else 0.0,
    )


def _components(runs: Sequence[Sequence[Step]]) -> dict[str, Distribution]:
    times = component_times([step for run in runs for step in run])
    return {name: distribution(values) for name, values in sorted(times.items())}


def _work(timing: Timing, facts: RunFacts) -> Work:
    """Of an average frame: one is segmented each step, one in `memory_every` is memorised as well."""
    gmacs = average_gmacs(dict(facts.gmacs), facts.clip.memory_every)
    parts = timing.components
    memorise = parts["encode_memory"].p50 / facts.clip.memory_every if "encode_memory" in parts else 0.0
    frame_ms = parts["segment"].p50 + memorise if "segment" in parts else timing.step.p50
    gflops, limit = 2 * gmacs / frame_ms * 1e3, facts.limit_gflops
    return Work(dict(facts.gmacs), gmacs, gflops, limit, gflops / limit if limit else None)


def _quality(parts: Sequence[Measured], clips: Sequence[Clip], references: Sequence[Masks | None]) -> Quality:
    """Over clips, each counting the same."""
    truths, means, worst = [], [], []
    for part, clip, reference in zip(parts, clips, references, strict=True):
        assert part.masks is not None
        truths.append(_j_and_f(part.masks, clip))
        if reference is not None:
            ious = [frame_iou(mask, other, clip.ids) for mask, other in zip(part.masks, reference, strict=True)]
            means.append(fmean(ious))
            worst.append(min(ious))
    known = [truth for truth in truths if truth is not None]
    return Quality(
        fmean(known) if len(known) == len(truths) else None,
        fmean(means) if len(means) == len(clips) else None,
        min(worst) if len(worst) == len(clips) else None,
    )


def _j_and_f(masks: Masks, clip: Clip) -> float | None:
    if clip.truth is None:
        return None
    score = JandF(clip.ids, len(masks))
    for index, labels in enumerate(masks):
        score.add(index, labels, clip.truth(index))
    return score.mean


def _series(runs: Sequence[Sequence[Step]], ratios: Sequence[float]) -> Series:
    steps = [step for run in runs for step in _timed(run)]
    return Series(
        [round(step.step_ms, 4) for step in steps],
        [round(ratio, 5) for ratio in ratios],
        [step.memory_bytes for step in steps],
    )


def _origin(records: Sequence[RunRecord], broken: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the processes say of themselves.

    Args:
        records: Of runs that came to their end.
        broken: Heat in those that did not.
    """
    heat = [record.thermal for record in records] + [dict(one) for one in broken]
    flagged = [one for flag in ("throttled", "unfair") for one in heat if one.get(flag)]
    thermal = next(iter([*flagged, *heat]), {})
    if not records:
        return {"versions": {}, "bundle_sha256": None, "torch_loaded": None, "affinity": [], "thermal": thermal}
    first = records[0]
    return {
        "versions": first.versions,
        "bundle_sha256": first.bundle_sha256,
        "torch_loaded": first.torch_loaded,
        "affinity": first.affinity,
        "thermal": thermal,
    }
