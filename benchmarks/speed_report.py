"""What a speed run found, as a table, as Markdown and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.in_turn import Contestant
from benchmarks.machine import describe_machine
from benchmarks.macs import average_gmacs
from benchmarks.tables import markdown_table, rich_table
from mobilevos.bundle import Bundle
from mobilevos.contract import COMPONENTS

__all__ = ["EngineSpeed", "SpeedReport", "explanation", "markdown", "percentiles", "to_json", "to_table"]

ONE_PROCESS = (
    "All engines ran in one process, because ExecuTorch's Python runtime needs PyTorch's tensors; their two "
    "thread pools may disturb each other."
)


@dataclass(frozen=True)
class Percentiles:
    """Milliseconds."""

    p50: float
    p90: float


def percentiles(times: Sequence[float]) -> Percentiles:
    """Of at least one time, in milliseconds."""
    p50, p90 = np.percentile(times, (50, 90)).tolist()
    return Percentiles(p50, p90)


@dataclass(frozen=True)
class EngineSpeed:
    """One engine.

    Attributes:
        name: Of the engine.
        versions: Of its parts.
        components: Times by component: `segment` as tracked, the others from a second pass that calls each alone.
        step: Whole tracker steps.
        segment_ratio: Median over the steps of the fused step's time to the reference's of the same step.
        step_ratio: The same for whole tracker steps.
        gflops: Rate over an average frame, two for each multiply-accumulate, in GFLOP/s.
        share_of_limit: The rate as a share of the matrix-product limit, 0..1.
    """

    name: str
    versions: dict[str, str]
    components: dict[str, Percentiles]
    step: Percentiles
    segment_ratio: float
    step_ratio: float
    gflops: float
    share_of_limit: float


@dataclass(frozen=True)
class SpeedReport:
    """All engines.

    Attributes:
        engines: The reference first.
        gmacs: Multiply-accumulates by component, in units of 1e9.
        average_gmacs: Of an average frame.
        limit_gflops: The machine's matrix-product limit in the same run, in GFLOP/s.
        steps: Timed steps of each engine.
        memory_every: Frames from one memorised frame to the next.
        threads: Of every engine.
    """

    engines: tuple[EngineSpeed, ...]
    gmacs: dict[str, float]
    average_gmacs: float
    limit_gflops: float
    steps: int
    memory_every: int
    threads: int

    @classmethod
    def of(
        cls,
        fused: Sequence[Contestant],
        single: Sequence[Contestant],
        gmacs: dict[str, float],
        limit_gflops: float,
        warm_up: int,
        memory_every: int,
        threads: int,
    ) -> SpeedReport:
        """Evaluates the contestants of two passes.

        Args:
            fused: As tracked; the first is the reference.
            single: The same engines with every component called alone.
            gmacs: By component.
            limit_gflops: Of the same run.
            warm_up: First steps to leave out.
            memory_every: Frames from one memorised frame to the next.
            threads: Of every engine.
        """
        average = average_gmacs(gmacs, memory_every)
        engines = []
        for one, alone in zip(fused, single, strict=True):
            components = _component_times(one, alone, warm_up)
            frame_ms = components["segment"].p50 + components["encode_memory"].p50 / memory_every
            gflops = 2 * average / frame_ms * 1e3
            engines.append(
                EngineSpeed(
                    one.name,
                    one.engine.info.versions,
                    components,
                    percentiles(one.step_ms[warm_up:]),
                    _ratio(_segments(one, warm_up), _segments(fused[0], warm_up)),
                    _ratio(one.step_ms[warm_up:], fused[0].step_ms[warm_up:]),
                    gflops,
                    gflops / limit_gflops,
                )
            )
        steps = len(fused[0].step_ms) - warm_up
        return cls(tuple(engines), gmacs, average, limit_gflops, steps, memory_every, threads)


def _component_times(fused: Contestant, single: Contestant, warm_up: int) -> dict[str, Percentiles]:
    alone = single.engine.timings
    times = {name: alone[name][2:] for name in ("encode_query", "read_memory", "decode")}
    times |= {"segment": _segments(fused, warm_up), "encode_memory": fused.engine.timings["encode_memory"][2:]}
    return {name: percentiles(times[name]) for name in COMPONENTS}


def _segments(contestant: Contestant, warm_up: int) -> list[float]:
    # The first step, which gives the mask, segments nothing.
    return contestant.engine.timings["segment"][warm_up - 1 :]


def _ratio(times: Sequence[float], reference: Sequence[float]) -> float:
    return statistics.median(time / other for time, other in zip(times, reference, strict=True))


def _cells(report: SpeedReport) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    names = [one.name for one in report.engines]
    headers = ("", "GMACs", *(f"{name}, ms p50 (p90)" for name in names), "ratio")
    last = report.engines[-1]
    rows = []
    for component in COMPONENTS:
        times = [one.components[component] for one in report.engines]
        ratio = last.segment_ratio if component == "segment" else times[-1].p50 / times[0].p50
        rows.append(_row(component, f"{report.gmacs[component]:.2f}", times, f"{ratio:.2f}"))
    steps = [one.step for one in report.engines]
    rows.append(_row("whole tracker step", f"{report.average_gmacs:.2f}", steps, f"{last.step_ratio:.2f}"))
    return headers, rows


def _row(name: str, gmacs: str, times: Sequence[Percentiles], ratio: str) -> tuple[str, ...]:
    return name, gmacs, *(f"{one.p50:.1f} ({one.p90:.1f})" for one in times), ratio


def _rates(report: SpeedReport) -> str:
    rates = "; ".join(
        f"{one.name} {one.gflops:.0f} GFLOP/s, {100 * one.share_of_limit:.0f} % of the limit" for one in report.engines
    )
    return f"Matrix-product limit {report.limit_gflops:.0f} GFLOP/s; {rates}."


def _title(report: SpeedReport) -> str:
    return f"{report.steps} steps of each engine in turn, {report.threads} threads"


def to_table(report: SpeedReport) -> Table:
    """For the terminal."""
    headers, rows = _cells(report)
    return rich_table(_title(report), headers, rows)


def explanation(report: SpeedReport) -> str:
    """What must be known to read the table."""
    return f"{_rates(report)} {ONE_PROCESS}"


def markdown(report: SpeedReport) -> str:
    """For the README: the table and what must be known to read it."""
    headers, rows = _cells(report)
    return f"{markdown_table(headers, rows)}\n{_title(report)}. {explanation(report)}\n"


def to_json(report: SpeedReport, bundle: Bundle) -> dict[str, Any]:
    """Everything, with the machine and the bundle that was measured."""
    d = asdict(bundle.dimensions)
    checkpoint = bundle.manifest["model"]["checkpoint_sha256"]
    return {
        "machine": describe_machine(),
        "dimensions": d,
        "checkpoint_sha256": checkpoint,
        "note": ONE_PROCESS,
    } | asdict(report)
