"""Bundles that are made once and used again as long as they are what an export would make now."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from export.parity import SUMS_IN_HALF_DB
from export.pipeline import export_bundle
from export.quantization.section import INT8
from export.reference import Reference
from export.targets import TARGETS
from mobilevos.bundle import Bundle
from mobilevos.contract import Dimensions
from mobilevos.errors import InputError
from mobilevos.files import sha256_of
from mobilevos.model.checkpoint import load_network, read_metadata
from mobilevos.quantization.stored import load_stored

__all__ = ["ensure_bundle", "is_current"]


def is_current(
    folder: Path, checkpoint: Path, dimensions: Dimensions, target: str = "executorch", precision: str = "fp32"
) -> bool:
    """Whether `folder` holds an undamaged bundle of just this checkpoint and kind, made by the installed tools."""
    try:
        bundle = Bundle.open(folder)
    except InputError:
        return False
    versions = bundle.manifest["versions"]
    return (
        (bundle.target, bundle.precision) == (target, precision)
        and bundle.dimensions == dimensions
        and bundle.manifest["model"]["checkpoint_sha256"] == sha256_of(checkpoint)
        and versions == {name: version(name) for name in versions}
    )


def ensure_bundle(
    folder: Path,
    checkpoint: Path,
    size: tuple[int, int],
    objects: int,
    advance: Callable[[str], None] = lambda stage: None,
    target: str = "executorch",
    precision: str = "fp32",
    memory_frames: int = 2,
) -> tuple[Bundle, bool]:
    """A bundle in `folder`, exported again only if it is not current.

    Args:
        folder: Where it lies, or is to lie.
        checkpoint: Of the network; for int8 one that holds ranges.
        size: Height and width of the padded frame, in pixels, multiples of 16.
        objects: Objects per call.
        advance: Called when a stage of an export begins.
        target: What to export to, a name of `export.targets.TARGETS`.
        precision: Of the bundle.
        memory_frames: Frames that its memory holds.

    Returns:
        The bundle, and whether it was there already.

    Raises:
        InputError: The checkpoint or the folder cannot be used, or the export failed.
    """
    dimensions = load_network(checkpoint).dimensions(*size, memory_frames=memory_frames, objects=objects)
    if is_current(folder, checkpoint, dimensions, target, precision):
        return Bundle.open(folder), True
    sha256 = sha256_of(checkpoint)
    reference = _reference(checkpoint, sha256, dimensions, quantized=precision == INT8)
    export_bundle(
        TARGETS[target],
        reference.network,
        dimensions,
        folder,
        precision=precision,
        checkpoint_sha256=sha256,
        provenance=read_metadata(checkpoint)["provenance"],
        overwrite=True,
        reference=reference,
        least_sqnr_db=SUMS_IN_HALF_DB if precision == "fp16" else None,  # a benchmark scores the masks themselves
        advance=advance,
    )
    return Bundle.open(folder), False


@lru_cache(maxsize=1)
def _reference(checkpoint: Path, sha256: str, dimensions: Dimensions, *, quantized: bool) -> Reference:
    """The last one is kept: what is exported next is most often the same network, for another runtime."""
    return Reference(load_network(checkpoint), dimensions, load_stored(checkpoint) if quantized else None)
