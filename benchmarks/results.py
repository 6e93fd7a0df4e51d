"""A row of results: everything that is known of one target at one precision and number of threads. JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from benchmarks.noise import Interval
from benchmarks.protocol import Distribution
from mobilevos.errors import InputError
from mobilevos.files import atomic_write_text

__all__ = [
    "FAILED",
    "INVALID",
    "RESULTS",
    "SCHEMA_VERSION",
    "SKIPPED",
    "VALID",
    "ClipFacts",
    "Quality",
    "Result",
    "Series",
    "Timing",
    "Work",
    "read_results",
    "write_results",
]

SCHEMA_VERSION = 1
RESULTS = "results.jsonl"
VALID, INVALID, SKIPPED, FAILED = "valid", "INVALID", "skipped", "failed"


@dataclass(frozen=True)
class ClipFacts:
    """What was tracked.

    Attributes:
        name: Of the clip, or of all clips together.
        clips: Number of clips.
        frames: Of all clips.
        height: Of a frame, in pixels; of the first clip.
        width: Of a frame, in pixels; of the first clip.
        objects: Number of objects; of the first clip.
        memory_frames: Frames that the memory holds.
        memory_every: Frames from one memorised frame to the next.
    """

    name: str
    clips: int
    frames: int
    height: int
    width: int
    objects: int
    memory_frames: int
    memory_every: int


@dataclass(frozen=True)
class Timing:
    """What it took. All but `load_ms` and `first_frame_ms` is of the steady state, after the warm-up.

    Attributes:
        step: Whole steps that segment.
        components: Each component as the loop calls it: `segment` and `encode_memory`.
        single: Each component called alone, from a shorter run of its own, see `Result.protocol`; its `count` says of
            how many calls. Empty without that run.
        load_ms: From opening to ready; None of a run that broke off before it said so.
        first_frame_ms: The very first step, which pages in weights.
        fps: Frames per second of the loop.
        seconds: Sum of the timed steps.
        drift: Change of the step time from the run's start to its end, in percent, from a robust slope.
    """

    step: Distribution
    components: dict[str, Distribution]
    single: dict[str, Distribution]
    load_ms: float | None
    first_frame_ms: float
    fps: float
    seconds: float
    drift: float


@dataclass(frozen=True)
class Work:
    """What was computed in that time.

    Attributes:
        gmacs: Multiply-accumulates by component, in units of 1e9.
        frame_gmacs: Of an average frame.
        gflops: Rate over an average frame, two operations for each multiply-accumulate, in GFLOP/s.
        limit_gflops: The machine's matrix-product limit in the same run; None where it was not measured.
        share_of_limit: The rate as a share of it.
    """

    gmacs: dict[str, float]
    frame_gmacs: float
    gflops: float
    limit_gflops: float | None
    share_of_limit: float | None


@dataclass(frozen=True)
class Quality:
    """Of the masks that the timed run wrote.

    Attributes:
        j_and_f: Against the ground truth, 0..1; None where there is none.
        iou_mean: Against the reference's masks, over objects and frames; None where there is no reference.
        iou_worst: Of the worst frame.
    """

    j_and_f: float | None
    iou_mean: float | None
    iou_worst: float | None


@dataclass(frozen=True)
class Series:
    """Every timed step, in order.

    Attributes:
        step_ms: Milliseconds.
        ratio: To the reference's time of the same frame in the same round; empty where there is no reference.
        memory_bytes: PSS of the process after the step, or RSS where the kernel has no PSS.
    """

    step_ms: list[float] = field(default_factory=list)
    ratio: list[float] = field(default_factory=list)
    memory_bytes: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Result:
    """One row.

    Attributes:
        target: Name of the target.
        precision: Of its arithmetic.
        threads: CPU threads.
        device: Where it ran, as the user named it; of several phones each by its serial, as `adb:SERIAL`.
        status: `valid`; `INVALID`, with reasons why it does not count; `skipped` or `failed`, with the reason.
        reasons: See `status`.
        note: What must be known of the numbers; empty if nothing.
        clip: What was tracked.
        protocol: Its name, steps, seconds and warm-up, those of the run that calls each component alone, and with
            what it was interleaved.
        timing: None if it did not run; of one that broke off and `failed`, of the steps until then.
        ratio: Median ratio of its steps to the reference's, with its interval; None where there is no reference.
        peak_rss_bytes: Largest resident memory.
        peak_pss_bytes: Largest PSS; None where the kernel does not say.
        model_bytes: Size of its weights, or of the programs that the loop runs, with them.
        work: None if it did not run.
        quality: None if no clip was tracked to its end.
        series: Every timed step.
        provenance: Versions, machine, commit, hashes, time.
    """

    target: str
    precision: str
    threads: int
    device: str
    status: str
    reasons: list[str]
    note: str
    clip: ClipFacts
    protocol: dict[str, Any]
    timing: Timing | None
    ratio: Interval | None
    peak_rss_bytes: int | None
    peak_pss_bytes: int | None
    model_bytes: int | None
    work: Work | None
    quality: Quality | None
    series: Series
    provenance: dict[str, Any]

    @property
    def name(self) -> str:
        """Target, precision and, where the user named phones, the phone."""
        phone = self.device.partition("adb:")[2]
        return f"{self.target} {self.precision}" + (f" on {phone}" if phone else "")

    def to_json(self) -> dict[str, Any]:
        """As a line of the file."""
        return {"schema": SCHEMA_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Result:
        """Reads a line that is valid against the schema."""
        rest = {name: value for name, value in facts.items() if name != "schema"}
        nested = {
            "clip": ClipFacts(**rest["clip"]),
            "timing": rest["timing"] and _timing(rest["timing"]),
            "ratio": rest["ratio"] and Interval(**rest["ratio"]),
            "work": rest["work"] and Work(**rest["work"]),
            "quality": rest["quality"] and Quality(**rest["quality"]),
            "series": Series(**rest["series"]),
        }
        return cls(**rest | nested)


def _timing(facts: dict[str, Any]) -> Timing:
    tables = {
        name: {component: Distribution(**one) for component, one in facts[name].items()}
        for name in ("components", "single")
    }
    return Timing(**facts | tables | {"step": Distribution(**facts["step"])})


def write_results(path: Path, results: Iterable[Result]) -> None:
    """Writes results as JSON lines, each checked against the schema.

    Raises:
        InputError: The file cannot be written.
        ValueError: A result is not as the schema says, which is a bug.
    """
    lines = []
    for result in results:
        facts = result.to_json()
        if reason := _wrong(facts):
            raise ValueError(f"result of {result.name}: {reason}")
        lines.append(json.dumps(facts, allow_nan=False))
    atomic_write_text(path, "".join(f"{line}\n" for line in lines))


def read_results(path: Path) -> list[Result]:
    """Reads results and checks each against the schema.

    Args:
        path: The file, or the folder of a run that holds it.

    Raises:
        InputError: There is no such file, or a line is not as the schema says.
    """
    file = path / RESULTS if path.is_dir() else path
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {file}", found=getattr(error, "strerror", None) or str(error)) from error
    results = []
    for number, line in enumerate(lines, start=1):
        try:
            facts = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{file} line {number} is not JSON", found=str(error)[:80]) from error
        if reason := _wrong(facts):
            remedy = "measure again with this version"
            raise InputError(f"{file} line {number} is no result", found=reason, remedy=remedy)
        results.append(Result.from_json(facts))
    if not results:
        raise InputError(f"{file} holds no results")
    return results


def _wrong(facts: Any) -> str:
    """The first thing that is not as the schema says; empty if nothing is."""
    error = jsonschema.exceptions.best_match(_validator().iter_errors(facts))
    return "" if error is None else f"{error.json_path}: {error.message[:200]}"


@cache
def _validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(Path(__file__).with_name("result.schema.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)
