"""What `--targets` and `--precision` name: an engine and what it runs, ready to be measured, or why it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bundles import ensure_bundle
from benchmarks.compiled import missing_compiler
from benchmarks.host_runner import host_runner
from export.quantization.section import INT8
from export.targets import TARGETS
from mobilevos.bundle import Bundle
from mobilevos.errors import InputError
from mobilevos.files import sha256_of
from mobilevos.weights import default_checkpoint, default_int8_checkpoint

__all__ = ["CONTESTANTS", "REFERENCE", "Contestant", "Job", "Skipped", "Workload", "bundle_folder", "prepare"]

REFERENCE = "eager"
"""The target that all others are compared with."""


_LOOP = ("segment", "encode_memory")
"""What tracking a clip runs, as long as the object count is the bundle's."""


@dataclass(frozen=True)
class Contestant:
    """A name of `--targets`.

    Attributes:
        engine: Of the worker.
        bundle: What it runs is exported to this target of `export.targets`; empty for a checkpoint.
        native: Whether the C++ runner runs it, without Python, instead of a worker.
        note: What must be known of its numbers; empty if nothing.
    """

    engine: str
    bundle: str = ""
    native: bool = False
    note: str = ""


CONTESTANTS = {
    "eager": Contestant("eager"),
    "eager-compiled": Contestant("eager-compiled"),
    "executorch": Contestant("executorch", "executorch", native=True),
    "executorch-pip": Contestant(
        "executorch",
        "executorch",
        note="pip's binding: PyTorch shares its process, and their thread pools disturb each other",
    ),
    "litert": Contestant("litert", "tflite"),
    "onnx": Contestant("onnx", "onnx"),
    "torchscript": Contestant("torchscript", "torchscript"),
}
"""By the name that `--targets` gives."""


@dataclass(frozen=True)
class Workload:
    """The sizes of what is tracked.

    Attributes:
        size: Height and width of the padded frame, in pixels, multiples of 16.
        objects: Number of objects.
        memory_frames: Frames that the memory holds.
    """

    size: tuple[int, int]
    objects: int = 1
    memory_frames: int = 2

    @property
    def text(self) -> str:
        """For the name of a folder."""
        return f"{self.size[0]}x{self.size[1]}-o{self.objects}-m{self.memory_frames}"


@dataclass(frozen=True)
class Job:
    """A target that can be measured.

    Attributes:
        target: Name of `CONTESTANTS`.
        precision: Of its arithmetic.
        workload: The sizes that it was made for.
        checkpoint: The network.
        bundle: What the engine runs; None for the engines of PyTorch.
        model_bytes: Size of the weights' file, or of the files that hold what the loop runs.
    """

    target: str
    precision: str
    workload: Workload
    checkpoint: Path
    bundle: Path | None
    model_bytes: int

    @property
    def name(self) -> str:
        """For reports: target and precision."""
        return f"{self.target}-{self.precision}"

    @property
    def contestant(self) -> Contestant:
        """What the target is."""
        return CONTESTANTS[self.target]

    @property
    def checkpoint_sha256(self) -> str:
        """Of the network."""
        return sha256_of(self.checkpoint)


@dataclass(frozen=True)
class Skipped:
    """A target that cannot be measured, and why."""

    target: str
    precision: str
    reason: str


def bundle_folder(folder: Path, target: str, precision: str, workload: Workload) -> Path:
    """Where the harness keeps a bundle.

    Args:
        folder: Of all bundles.
        target: A name of `export.targets.TARGETS`.
        precision: Of the bundle.
        workload: The sizes.
    """
    return folder / f"{target}-{precision}-{workload.text}"


def prepare(
    target: str,
    precision: str,
    workload: Workload,
    folder: Path,
    *,
    checkpoint: Path | None = None,
    int8_checkpoint: Path | None = None,
    on_host: bool = True,
    advance: Callable[[str], None] = lambda stage: None,
) -> Job | Skipped:
    """Makes what the target runs, unless a current bundle is there.

    Args:
        target: Name of `CONTESTANTS`.
        precision: `fp32`, `fp16` or `int8`.
        workload: The sizes.
        folder: Of all bundles.
        checkpoint: The network; the shipped student by default.
        int8_checkpoint: The network with ranges; the shipped one by default, if there is one.
        on_host: Whether it is to run here, so that the C++ runner must be built for this machine.
        advance: Called when a stage of an export begins.

    Raises:
        InputError: There is no such target.
    """
    if target not in CONTESTANTS:
        raise InputError(f"no target named {target[:40]!r}", expected=", ".join(CONTESTANTS))
    contestant, source = CONTESTANTS[target], checkpoint or default_checkpoint()
    if not contestant.bundle:
        if precision != "fp32":
            return Skipped(target, precision, f"{target} computes in fp32")
        if target == "eager-compiled" and (reason := missing_compiler()):
            return Skipped(target, precision, reason)
        return Job(target, precision, workload, source, None, source.stat().st_size)
    offered = TARGETS[contestant.bundle]
    if precision not in offered.precisions:
        return Skipped(target, precision, f"{offered.title} is exported in {', '.join(offered.precisions)}")
    if precision == INT8:
        trained = int8_checkpoint or default_int8_checkpoint()
        if trained is None:
            remedy = "`mobilevos calibrate` finds some, and --int8-checkpoint takes them"
            return Skipped(target, precision, f"no weights with ranges for int8: {remedy}")
        source = trained
    place = bundle_folder(folder, contestant.bundle, precision, workload)
    try:
        bundle = _exported(place, source, contestant.bundle, precision, workload, advance)
        if contestant.native and on_host:
            advance("building the C++ runner")
            host_runner()
    except (InputError, ImportError) as error:  # the toolkit, or a part of it, is not here
        return Skipped(target, precision, str(error))
    if bundle.not_executed:
        return Skipped(target, precision, bundle.not_executed)
    opened = {bundle.artefact(component)[0] for component in _LOOP}
    return Job(target, precision, workload, source, place, sum(path.stat().st_size for path in opened))


def _exported(
    place: Path, source: Path, target: str, precision: str, workload: Workload, advance: Callable[[str], None]
) -> Bundle:
    bundle, _ = ensure_bundle(
        place,
        source,
        workload.size,
        workload.objects,
        advance,
        target=target,
        precision=precision,
        memory_frames=workload.memory_frames,
    )
    return bundle
