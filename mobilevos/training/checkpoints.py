"""Checkpoints of a run: whole or absent, loadable without running code, the newest two kept."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from mobilevos.errors import InputError
from mobilevos.files import atomic_folder, atomic_write_bytes
from mobilevos.model.checkpoint import load_state, load_tensors, save_network
from mobilevos.model.network import MemoryNetwork
from mobilevos.training.quantized import FakeQuantization

__all__ = ["Checkpoint", "load_checkpoint", "newest_checkpoint", "save_checkpoint"]

KEPT = 2


@dataclass
class Checkpoint:
    """All state of a run after `step` optimizer steps.

    Clips and random draws need none: both are functions of the seed and the step.

    Attributes:
        step: Optimizer steps taken.
        network: The network being trained.
        average: Its exponential moving average.
        optimizer: Optimizer over `network`.
        scaler: Of the gradients, in float16; does nothing otherwise.
        config_hash: Of the run's configuration, so that a run is not resumed as another one.
        fake: Of a run that trains for int8.
    """

    step: int
    network: MemoryNetwork
    average: MemoryNetwork
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    config_hash: str
    fake: FakeQuantization | None = None


def save_checkpoint(checkpoint: Checkpoint, folder: Path, provenance: dict[str, Any]) -> Path:
    """Writes `folder/step-NNNNNN` as a whole, then removes all but the newest two."""
    target = folder / f"step-{checkpoint.step:06d}"
    with atomic_folder(target, overwrite=True) as temporary:
        save_network(checkpoint.network, temporary / "network.safetensors", provenance=provenance)
        save_network(checkpoint.average, temporary / "average.safetensors", provenance=provenance)
        if checkpoint.fake is not None:
            atomic_write_bytes(temporary / "ranges.safetensors", save(checkpoint.fake.ranges.state_dict()))
        state = {
            "step": checkpoint.step,
            "optimizer": checkpoint.optimizer.state_dict(),
            "scaler": checkpoint.scaler.state_dict(),
            "config_hash": checkpoint.config_hash,
        }
        buffer = io.BytesIO()  # a full disk then is an ordinary OSError; torch's own writer raises something else
        torch.save(state, buffer)
        (temporary / "state.pt").write_bytes(buffer.getvalue())
    for old in [*_checkpoints(folder)[:-KEPT], *folder.glob(".step-*")]:  # the latter: cut off in the middle of a save
        shutil.rmtree(old)
    return target


def newest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of the highest step, or None."""
    found = _checkpoints(folder)
    return found[-1] if found else None


def _checkpoints(folder: Path) -> list[Path]:
    """By step, the newest last."""
    numbered = [path for path in folder.glob("step-*") if path.name.removeprefix("step-").isdecimal()]
    return sorted(numbered, key=lambda path: int(path.name.removeprefix("step-")))


def load_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Fills `checkpoint` in place from a folder that `save_checkpoint` wrote.

    Raises:
        InputError: A file is missing or damaged, or the run's configuration was another one.
    """
    try:
        state = torch.load(path / "state.pt", map_location="cpu", weights_only=True)
        config_hash, optimizer, step = state["config_hash"], state["optimizer"], int(state["step"])
        scaler = state["scaler"]
    except Exception as error:  # torch raises many types here; to the user they are one
        raise _damaged(path / "state.pt", error) from error
    if config_hash != checkpoint.config_hash:
        raise InputError(
            f"{path} was written by a run with another configuration",
            remedy="give another output=FOLDER, or repeat the run's own options (config.yaml beside it)",
        )
    parts: dict[str, nn.Module] = {"network": checkpoint.network, "average": checkpoint.average}
    if checkpoint.fake is not None:
        parts["ranges"] = checkpoint.fake.ranges
    for name, part in parts.items():
        file = path / f"{name}.safetensors"
        try:
            load_state(part, load_tensors(file), file)
        except InputError as error:
            raise _damaged(file, error) from error
    try:
        checkpoint.optimizer.load_state_dict(optimizer)
        checkpoint.scaler.load_state_dict(scaler)
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise _damaged(path / "state.pt", error) from error
    checkpoint.step = step


def _damaged(file: Path, error: Exception) -> InputError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    remedy = f"delete the folder {file.parent} to go on from the checkpoint before it"
    return InputError(f"{file} is damaged", found=reason, remedy=remedy)
