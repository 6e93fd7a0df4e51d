"""Results as a table: for a terminal while they come, and in Markdown for a README."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.interleaving import Turns, ratios
from benchmarks.jobs import Job
from benchmarks.protocol import Protocol, distribution, too_few_component_calls
from benchmarks.results import SKIPPED, VALID, Result
from benchmarks.tables import markdown_table, rich_table
from mobilevos.commands.console import counted

__all__ = ["RESULT_TABLES", "ResultTable", "caption", "live_table", "print_results", "remarks", "result_markdown"]

_MISSING = "-"
_LEGEND = (
    "ratio: median of the steps' ratios to eager fp32 on the same frame in the same round; drift: of the step time, "
    "from the start to the end; IoU: with the masks of eager fp32, and of the worst frame; GMACs: of an average frame; "
    "limit: the share reached of this machine's matrix products in float32, also where a row computes in int8; memory: "
    "peak PSS; size: of the programs that the loop runs, weights included; of eager: its checkpoint, float16 as shipped"
)


@dataclass(frozen=True)
class ResultTable:
    """A table of results: narrow enough for 80 columns.

    Attributes:
        title: Above it.
        headers: One per column.
        cells: The row of a measured result; what it does not have is a dash.
    """

    title: str
    headers: tuple[str, ...]
    cells: Callable[[Result], tuple[str, ...]]

    def rows(self, results: Sequence[Result]) -> list[tuple[str, ...]]:
        """Of the results that were measured."""
        return [self.cells(one) for one in results if one.timing is not None]


def _time_cells(result: Result) -> tuple[str, ...]:
    assert result.timing is not None
    step = result.timing.step
    return (
        result.name if result.status == VALID else f"{result.name} ({result.status})",
        str(result.threads),
        f"{step.p50:.1f}",
        f"{step.p90:.1f}",
        f"{step.p99:.1f}",
        _MISSING if result.ratio is None else f"{result.ratio.value:.2f}",
        f"{result.timing.fps:.1f}",
        f"{result.timing.drift:+.0f} %",
    )


def _mask_cells(result: Result) -> tuple[str, ...]:
    work, quality = result.work, result.quality
    return (
        result.name,
        str(result.threads),
        _MISSING if quality is None or quality.j_and_f is None else f"{100 * quality.j_and_f:.1f}",
        _MISSING if quality is None or quality.iou_mean is None else f"{quality.iou_mean:.4f}",
        _MISSING if quality is None or quality.iou_worst is None else f"{quality.iou_worst:.4f}",
        _MISSING if work is None else f"{work.frame_gmacs:.2f}",
        _MISSING if work is None else f"{work.gflops:.0f}",
        _MISSING if work is None or work.share_of_limit is None else f"{100 * work.share_of_limit:.0f} %",
    )


def _single_cells(result: Result) -> tuple[str, ...]:
    assert result.timing is not None
    single = result.timing.single
    parts = [single.get(name) for name in ("encode_query", "read_memory", "decode", "encode_memory")]
    memory = f" ({single['encode_memory'].count:,})" if "encode_memory" in single else ""
    return (
        result.name,
        str(result.threads),
        *(_MISSING if one is None else f"{one.p50:.1f}" for one in parts),
        f"{_alone(result):,}{memory}" if single else _MISSING,
    )


def _alone(result: Result) -> int:
    """Timed steps of the run that calls each component alone."""
    return max((one.count for one in result.timing.single.values()), default=0) if result.timing else 0


def _start_cells(result: Result) -> tuple[str, ...]:
    assert result.timing is not None
    peak = result.peak_rss_bytes if result.peak_pss_bytes is None else result.peak_pss_bytes
    return (
        result.name,
        str(result.threads),
        _MISSING if result.timing.load_ms is None else f"{result.timing.load_ms:.0f}",
        f"{result.timing.first_frame_ms:.0f}",
        _MISSING if peak is None else f"{peak / 1e6:.0f}",
        _MISSING if result.model_bytes is None else f"{result.model_bytes / 1e6:.1f}",
    )


RESULT_TABLES = (
    ResultTable(
        "whole steps of the loop",
        ("target", "threads", "p50, ms", "p90", "p99", "ratio", "fps", "drift"),
        _time_cells,
    ),
    ResultTable(
        "masks and arithmetic",
        ("target", "threads", "J&F", "IoU", "worst", "GMACs", "GFLOP/s", "limit"),
        _mask_cells,
    ),
    ResultTable(
        "each component called alone, in a shorter run: p50 in ms, and calls (of encode_memory)",
        ("target", "threads", "query", "read", "decode", "memory", "calls"),
        _single_cells,
    ),
    ResultTable(
        "start and memory",
        ("target", "threads", "load, ms", "first, ms", "memory, MB", "size, MB"),
        _start_cells,
    ),
)


def print_results(results: Sequence[Result], console: Console) -> None:
    """At the terminal: the tables and the remarks."""
    console.print(caption(results), highlight=False)
    for table in RESULT_TABLES:
        console.print(rich_table(table.title, table.headers, table.rows(results)))
    for line in remarks(results):
        console.print(f"- {line}", highlight=False, markup=False)


def result_markdown(results: Sequence[Result]) -> str:
    """For a README: the tables, and what must be known to read them."""
    tables = "\n".join(markdown_table(one.headers, one.rows(results)) for one in RESULT_TABLES)
    notes = "".join(f"- {line}\n" for line in remarks(results))
    return f"{caption(results)}.\n\n{tables}\n{notes}"


def caption(results: Sequence[Result]) -> str:
    """What was tracked, how long, and on what."""
    clip, protocol = results[0].clip, results[0].protocol
    machines = {one.device: str(one.provenance["machine"].get("processor")) for one in results}
    objects = "one object" if clip.objects == 1 else f"{clip.objects} objects"
    return (
        f"{clip.name}: {clip.frames} frames of {clip.height}x{clip.width}, {objects}, {clip.memory_frames} memory "
        f"frames, one memorised every {clip.memory_every}; {protocol['name']} protocol ({protocol['steps']} steps and "
        f"{protocol['seconds']:g} s of each at least{_shorter(protocol)}), interleaved; "
        f"{', '.join(f'{device}: {machine}' for device, machine in machines.items())}"
    )


def _shorter(protocol: Mapping[str, Any]) -> str:
    alone = protocol.get("components")
    return f"; with each component called alone {alone['steps']} and {alone['seconds']:g} s" if alone else ""


def remarks(results: Sequence[Result]) -> list[str]:
    """A line for each thing that must be known of a row: why it does not count, heat, too few calls of components."""
    lines = [
        f"{result.name}, {counted(result.threads, 'thread')}, {result.status}: {'; '.join(result.reasons)}"
        for result in results
        if result.reasons
    ]
    lines += [
        f"{result.name}, throttled: {'; '.join(thermal['reasons'])}"
        for result in results
        if (thermal := result.provenance.get("thermal") or {}).get("throttled")
    ]
    lines += [
        f"{result.name}, not measured fairly: {'; '.join(unfair)}"
        for result in results
        if (unfair := (result.provenance.get("thermal") or {}).get("unfair"))
    ]
    lines += [
        f"{result.name}, {counted(result.threads, 'thread')}, components alone: {short}"
        for result in results
        if result.timing
        and result.timing.single
        and (short := too_few_component_calls(_alone(result), result.protocol["steps"]))
    ]
    notes = {(result.name, result.note) for result in results if result.note and result.status != SKIPPED}
    lines += [f"{name}: {note}" for name, note in sorted(notes)]
    return [*lines, _LEGEND]


def live_table(parts: Sequence[tuple[Job, Turns]], protocol: Protocol) -> Table:
    """While a run goes on: how far each job is."""
    reference = parts[0][1]
    rows = []
    for job, turns in parts:
        times = [step.step_ms for step in turns.steps if step.timed]
        to_reference = ratios(turns.steps, reference.steps)
        rows.append(
            (
                job.name,
                f"{len(times)}/{protocol.steps}",
                f"{sum(times) / 1e3:.1f}/{protocol.seconds:g}",
                f"{distribution(times).p50:.1f}" if times else _MISSING,
                f"{distribution(to_reference).p50:.2f}" if to_reference else _MISSING,
                f"{turns.steps[-1].memory_bytes / 1e6:.0f}" if turns.steps else _MISSING,
                turns.failure or ("warming up" if not times else "done" if turns.reached(protocol) else "running"),
            )
        )
    headers = ("in turn", "steps", "seconds", "p50, ms", "ratio", "memory, MB", "state")
    return rich_table("measuring", headers, rows)
