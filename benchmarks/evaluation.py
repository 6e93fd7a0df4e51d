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
from benchmarks.run_record import RunRecord

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
    complete = len(records) == len(clips) and all(part.masks is not None for part in parts)
    failures = [part.failure for part in parts if part.failure]
    skipped = [part.skipped for part in parts if part.skipped][:1]
    reasons = skipped or failures or list(invalid_reasons(records, complete, facts.protocol))
    single = [part.single for part in parts if part.single is not None]
    timing = _timing(records, single) if records else None
    ratios = [ratio for part in parts for ratio in part.ratios]
    shared = [record.peak_pss_bytes for record in records if record.peak_pss_bytes is not None]
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
        peak_rss_bytes=max((record.peak_rss_bytes for record in records), default=None),
        peak_pss_bytes=max(shared, default=None),
        model_bytes=job.model_bytes,
        work=_work(timing, facts) if timing else None,
        quality=_quality(parts, clips, references) if complete else None,
        series=_series(records, ratios),
        provenance={**facts.provenance, **_origin(records), "checkpoint_sha256": job.checkpoint_sha256},
    )


def skipped_result(skipped: Skipped, facts: RunFacts) -> Result:
    """The row of a target that could not be measured."""
    origin = {**_origin([]), "checkpoint_sha256": None}
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


def _timing(records: Sequence[RunRecord], single: Sequence[RunRecord]) -> Timing:
    steps = [step.step_ms for record in records for step in record.timed]
    return Timing(
        distribution(steps),
        _components(records),
        _components(single),
        fmean(record.load_ms for record in records),
        fmean(record.steps[0].step_ms for record in records),
        frames_per_second(steps),
        sum(steps) / 1e3,
        drift(steps) if len(steps) > 1 else 0.0,
    )


def _components(records: Sequence[RunRecord]) -> dict[str, Distribution]:
    times = component_times([step for record in records for step in record.steps])
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


def _series(records: Sequence[RunRecord], ratios: Sequence[float]) -> Series:
    steps = [step for record in records for step in record.timed]
    return Series(
        [round(step.step_ms, 4) for step in steps],
        [round(ratio, 5) for ratio in ratios],
        [step.memory_bytes for step in steps],
    )


def _origin(records: Sequence[RunRecord]) -> dict[str, Any]:
    """What the processes say of themselves."""
    if not records:
        return {"versions": {}, "bundle_sha256": None, "torch_loaded": None, "affinity": [], "thermal": {}}
    first = records[0]
    hot = [record.thermal for record in records if record.thermal.get("throttled")]
    return {
        "versions": first.versions,
        "bundle_sha256": first.bundle_sha256,
        "torch_loaded": first.torch_loaded,
        "affinity": first.affinity,
        "thermal": (hot or [first.thermal])[0],
    }
