"""A whole run of the harness: clips and bundles are made, jobs measured on a device, and their rows come out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.clip_folder import write_clip
from benchmarks.clips import Clip
from benchmarks.evaluation import RunFacts, evaluate, skipped_result
from benchmarks.host import Device, Measured, Progress
from benchmarks.jobs import REFERENCE, Job, Skipped, Workload, prepare
from benchmarks.macs import component_gmacs
from benchmarks.protocol import Protocol
from benchmarks.provenance import provenance
from benchmarks.results import ClipFacts, Result
from mobilevos.contract import STRIDE
from mobilevos.errors import InputError
from mobilevos.model.checkpoint import load_network
from mobilevos.weights import default_checkpoint

__all__ = ["Plan", "lacks_reference", "measure", "prepare_jobs", "workload_of"]

Stage = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What is to be measured.

    Attributes:
        targets: Names of `benchmarks.jobs.CONTESTANTS`.
        precisions: Of each target. On a host the reference in fp32 is measured too where the two do not name it.
        clips: All of one padded size and number of objects.
        threads: One round of measurements for each number.
        protocol: How long.
        output: Folder of everything that is written.
        bundles: Folder of the bundles.
        device: As the user named it.
        checkpoint: The network; None for the shipped student.
        int8_checkpoint: The network with ranges; None for the shipped one, if there is one.
        memory_every: Frames from one memorised frame to the next.
        components: Whether each component is also called alone, in a run of its own.
    """

    targets: tuple[str, ...]
    precisions: tuple[str, ...]
    clips: tuple[Clip, ...]
    threads: tuple[int, ...]
    protocol: Protocol
    output: Path
    bundles: Path
    device: str = "host"
    checkpoint: Path | None = None
    int8_checkpoint: Path | None = None
    memory_every: int = 5
    components: bool = True


def workload_of(clips: Sequence[Clip]) -> Workload:
    """The sizes that all clips share.

    Raises:
        InputError: They do not.
    """
    found = {(_padded(clip.size), len(clip.ids)) for clip in clips}
    if len(found) != 1:
        text = ", ".join(f"{height}x{width} with {objects} objects" for (height, width), objects in sorted(found))
        remedy = "measure them one by one"
        raise InputError("the clips need different bundles", expected="one padded size", found=text, remedy=remedy)
    size, objects = found.pop()
    return Workload(size, objects)


def lacks_reference(plan: Plan) -> bool:
    """Whether a plan for a host does not name the reference, to which all ratios are. A phone cannot run it."""
    return plan.device == "host" and not (REFERENCE in plan.targets and "fp32" in plan.precisions)


def prepare_jobs(plan: Plan, stage: Stage = lambda text: None) -> list[Job | Skipped]:
    """Bundles of everything that the plan names, the reference first, which a host always has beside other jobs.

    Args:
        plan: What is to be measured.
        stage: Told what is being exported.

    Raises:
        InputError: A target has no such name, or the clips do not fit together.
    """
    workload = workload_of(plan.clips)
    chosen = [(target, precision) for precision in plan.precisions for target in plan.targets]
    jobs: list[Job | Skipped] = []
    for target, precision in sorted(chosen, key=lambda pair: pair != (REFERENCE, "fp32")):
        stage(f"{target} {precision}: looking for its bundle")
        jobs.append(
            prepare(
                target,
                precision,
                workload,
                plan.bundles,
                checkpoint=plan.checkpoint,
                int8_checkpoint=plan.int8_checkpoint,
                on_host=plan.device == "host",
                advance=lambda text, name=f"{target} {precision}": stage(f"{name}: {text}"),  # type: ignore[misc]
            )
        )
    if lacks_reference(plan) and any(isinstance(one, Job) for one in jobs):
        jobs.insert(0, prepare(REFERENCE, "fp32", workload, plan.bundles, checkpoint=plan.checkpoint))
    return jobs


def measure(plan: Plan, prepared: Sequence[Job | Skipped], device: Device, progress: Progress) -> list[Result]:
    """Measures everything, one number of threads after the other.

    Args:
        plan: What is to be measured.
        prepared: See `prepare_jobs`.
        device: Where.
        progress: See there.

    Returns:
        A row for each job and number of threads, and one for each that was skipped.

    Raises:
        InputError: Nothing can be measured, or the output cannot be written.
    """
    jobs = [one for one in prepared if isinstance(one, Job)]
    skipped = [one for one in prepared if isinstance(one, Skipped)]
    if not jobs:
        reasons = "; ".join(f"{one.target} {one.precision}: {one.reason}" for one in skipped)
        raise InputError("nothing to measure", found=reasons)
    results = []
    for threads in plan.threads:
        parts, limit = _measure_clips(plan, jobs, device, threads, progress)
        facts = _facts(plan, jobs, device, threads, limit)
        references = [one.masks for one in parts[0]] if jobs[0].target == REFERENCE else [None] * len(plan.clips)
        results += [evaluate(of_job, plan.clips, references, facts) for of_job in parts]
        results += [skipped_result(one, facts) for one in skipped]
    return results


def _measure_clips(
    plan: Plan, jobs: Sequence[Job], device: Device, threads: int, progress: Progress
) -> tuple[list[list[Measured]], float | None]:
    """What came of each job, clip by clip, and the best matrix-product limit seen."""
    parts: list[list[Measured]] = [[] for _ in jobs]
    limits = []
    share = Protocol(
        plan.protocol.name,
        -(-plan.protocol.steps // len(plan.clips)),
        plan.protocol.seconds / len(plan.clips),
        plan.protocol.warm_up,
    )
    plan.output.mkdir(parents=True, exist_ok=True)
    for clip in plan.clips:
        with TemporaryDirectory(dir=plan.output, prefix=".clip-") as folder:
            raw = write_clip(Path(folder) / "clip", clip.frames, {0: clip.first_mask}, plan.memory_every)
            output = plan.output / "runs" / f"{threads}-threads" / clip.name.replace("/", "_")
            measured, limit = device.measure(
                jobs, raw, share, threads, output, components=plan.components, progress=progress
            )
        for of_job, one in zip(parts, measured, strict=True):
            of_job.append(one)
        limits += [limit] if limit else []
    return parts, max(limits, default=None)


def _facts(plan: Plan, jobs: Sequence[Job], device: Device, threads: int, limit: float | None) -> RunFacts:
    first, workload = plan.clips[0], jobs[0].workload
    network = load_network(plan.checkpoint or default_checkpoint())
    dimensions = network.dimensions(*workload.size, workload.memory_frames, workload.objects)
    clip = ClipFacts(
        first.name if len(plan.clips) == 1 else ", ".join(one.name for one in plan.clips),
        len(plan.clips),
        sum(one.length or 0 for one in plan.clips),
        *first.size,
        workload.objects,
        workload.memory_frames,
        plan.memory_every,
    )
    names = tuple(job.name for job in jobs)
    gmacs = component_gmacs(network, dimensions)
    origin = provenance(device.describe())
    return RunFacts(plan.device, threads, clip, plan.protocol, names, gmacs, limit, origin, plan.components)


def _padded(size: tuple[int, int]) -> tuple[int, int]:
    height, width = (-(-side // STRIDE) * STRIDE for side in size)
    return height, width
