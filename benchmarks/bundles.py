"""Bundles that are made once and used again as long as they are what an export would make now."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from export.executorch import export_executorch
from mobilevos.bundle import Bundle
from mobilevos.contract import Dimensions
from mobilevos.errors import InputError
from mobilevos.files import sha256_of
from mobilevos.model.checkpoint import load_network, read_metadata

__all__ = ["ensure_bundle", "is_current"]


def is_current(folder: Path, checkpoint: Path, dimensions: Dimensions) -> bool:
    """Whether `folder` holds an undamaged bundle of this checkpoint and size, made by the installed tools."""
    try:
        bundle = Bundle.open(folder)
    except InputError:
        return False
    versions = bundle.manifest["versions"]
    return (
        bundle.target == "executorch"
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
) -> tuple[Bundle, bool]:
    """An ExecuTorch bundle in `folder`, exported again only if it is not current.

    Args:
        folder: Where it lies, or is to lie.
        checkpoint: Of the network.
        size: Height and width of the padded frame, in pixels, multiples of 16.
        objects: Objects per call.
        advance: Called when a stage of an export begins.

    Returns:
        The bundle, for two memory frames, and whether it was there already.

    Raises:
        InputError: The checkpoint or the folder cannot be used, or the export failed.
    """
    network = load_network(checkpoint)
    dimensions = network.dimensions(*size, memory_frames=2, objects=objects)
    if is_current(folder, checkpoint, dimensions):
        return Bundle.open(folder), True
    export_executorch(
        network,
        dimensions,
        folder,
        checkpoint_sha256=sha256_of(checkpoint),
        provenance=read_metadata(checkpoint)["provenance"],
        overwrite=True,
        advance=advance,
    )
    return Bundle.open(folder), False
