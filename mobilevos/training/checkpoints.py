"""Checkpoints of a run: whole or absent, loadable without running code, the newest two kept."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mobilevos.errors import InputError
from mobilevos.files import atomic_folder
from mobilevos.model.checkpoint import load_state, load_tensors, save_network
from mobilevos.model.network import MemoryNetwork

__all__ = ["Checkpoint", "load_checkpoint", "newest_checkpoint", "save_checkpoint"]

KEPT = 2


@dataclass
class Checkpoint:
    """All state of a run after `step` optimizer steps. Clips need none: clip n is a function of the seed.

    Attributes:
        step: Optimizer steps taken.
        network: The network being trained.
        average: Its exponential moving average.
        optimizer: Optimizer over `network`.
        config_hash: Of the run's configuration, so that a run is not resumed as another one.
    """

    step: int
    network: MemoryNetwork
    average: MemoryNetwork
    optimizer: torch.optim.Optimizer
    config_hash: str


def save_checkpoint(checkpoint: Checkpoint, folder: Path, provenance: dict[str, Any]) -> Path:
    """Writes `folder/step-NNNNNN` as a whole, then removes all but the newest two."""
    target = folder / f"step-{checkpoint.step:06d}"
    with atomic_folder(target, overwrite=True) as temporary:
        save_network(checkpoint.network, temporary / "network.safetensors", provenance=provenance)
        save_network(checkpoint.average, temporary / "average.safetensors", provenance=provenance)
        state = {
            "step": checkpoint.step,
            "optimizer": checkpoint.optimizer.state_dict(),
            "config_hash": checkpoint.config_hash,
        }
        torch.save(state, temporary / "state.pt")
    for old in sorted(folder.glob("step-*"))[:-KEPT]:
        shutil.rmtree(old)
    return target


def newest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of the highest step, or None."""
    return max(folder.glob("step-*"), default=None)


def load_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Fills `checkpoint` in place from a folder that `save_checkpoint` wrote.

    Raises:
        InputError: A file is missing or damaged, or the run's configuration was another one.
    """
    try:
        state = torch.load(path / "state.pt", map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types here; to the user they are one
        raise InputError(f"{path / 'state.pt'} is not readable", found=str(error).splitlines()[0]) from error
    if state["config_hash"] != checkpoint.config_hash:
        raise InputError(
            f"{path} was written by a run with another configuration",
            remedy="give another output=FOLDER, or repeat the run's own options (config.yaml beside it)",
        )
    for network, name in ((checkpoint.network, "network"), (checkpoint.average, "average")):
        file = path / f"{name}.safetensors"
        load_state(network, load_tensors(file), file)
    checkpoint.optimizer.load_state_dict(state["optimizer"])
    checkpoint.step = int(state["step"])
