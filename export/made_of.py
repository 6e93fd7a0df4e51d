"""The checkpoint that a bundle was made of: a manifest names it by its hash alone."""

from __future__ import annotations

from pathlib import Path

from mobilevos.bundle import Bundle
from mobilevos.errors import InputError
from mobilevos.files import sha256_of
from mobilevos.model.checkpoint import load_network, read_metadata
from mobilevos.model.network import MemoryNetwork
from mobilevos.weights import default_checkpoint, default_int8_checkpoint

__all__ = ["network_of"]


def network_of(bundles: list[Bundle], checkpoint: Path | None) -> MemoryNetwork:
    """The network that all of some bundles were made of.

    Args:
        bundles: At least one.
        checkpoint: As given; None for whichever of the shipped ones fits.

    Raises:
        InputError: A bundle was made of another checkpoint, or this is none.
    """
    if checkpoint is not None:
        read_metadata(checkpoint)  # says in one line what is wrong with a file that is none
    shipped = [path for path in (default_checkpoint(), default_int8_checkpoint()) if path is not None]
    candidates = {sha256_of(path): path for path in ([checkpoint] if checkpoint is not None else shipped)}
    wanted = {str(one.manifest["model"]["checkpoint_sha256"]): one for one in bundles}
    for sha256, bundle in wanted.items():
        if sha256 not in candidates:
            raise InputError(
                f"{bundle.folder} was not made of {checkpoint or 'a shipped student'}",
                expected=f"a checkpoint of SHA-256 {sha256[:12]}...",
                remedy="pass --checkpoint FILE",
            )
    if len(wanted) > 1:
        first, second = list(wanted.values())[:2]
        raise InputError(
            f"{first.folder} and {second.folder} are of different checkpoints", remedy="compare those of one checkpoint"
        )
    return load_network(candidates[next(iter(wanted))])
