"""The training loop that every supervised stage shares."""

from __future__ import annotations

import copy
import math
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

from mobilevos.data.clips import ClipBatch, ClipDataset, training_loader
from mobilevos.errors import InputError
from mobilevos.files import atomic_write_text, sha256_of
from mobilevos.losses import dice_loss, poly1_cross_entropy
from mobilevos.model.checkpoint import load_network, save_network
from mobilevos.model.network import MemoryNetwork
from mobilevos.model.variants import build_network
from mobilevos.training.checkpoints import Checkpoint, load_checkpoint, newest_checkpoint, save_checkpoint
from mobilevos.training.clip_forward import clip_logits, object_masks
from mobilevos.training.config import LossConfig, RunConfig, config_hash, to_yaml
from mobilevos.training.journal import Journal
from mobilevos.training.optimisation import (
    build_optimizer,
    freeze_trunk_statistics,
    learning_rate_factor,
    set_learning_rate,
    update_average,
)
from mobilevos.training.sources import build_source

__all__ = ["clip_losses", "train"]


def train(config: RunConfig) -> Path:
    """Runs a stage to its end, going on from the newest checkpoint where there is one.

    Returns:
        The trained network, `network.safetensors` in the run's folder.

    Raises:
        InputError: Data, weights or checkpoints are missing or damaged; the loss is not finite.
    """
    source = build_source(config)
    folder = Path(config.output)
    device = _device(config.device)
    if config.training.threads:
        torch.set_num_threads(config.training.threads)
    torch.manual_seed(config.seed)
    state = _initial_state(config, device)
    newest = newest_checkpoint(folder / "checkpoints")
    if newest is not None:
        if not config.resume:
            raise InputError(f"{folder} holds a run already", remedy="give another output=FOLDER or resume=true")
        load_checkpoint(state, newest)
    atomic_write_text(folder / "config.yaml", to_yaml(config))
    provenance = _provenance(config, state.config_hash)
    batch_size = config.training.batch_size
    loader = training_loader(
        ClipDataset(source, config.seed),
        batch_size,
        state.step * batch_size,
        config.training.steps * batch_size,
        config.data.workers,
    )
    with Journal(folder, config.training.steps, state.step, config.training.log_every) as journal:
        for batch in loader:
            assert isinstance(batch, ClipBatch)
            values = _step(state, batch, config, device)
            journal.step(state.step, values, batch_size * config.data.frames)
            if state.step % config.training.checkpoint_every == 0 or state.step == config.training.steps:
                save_checkpoint(state, folder / "checkpoints", provenance)
    result = folder / "network.safetensors"
    save_network(state.average, result, provenance=provenance)
    return result


def clip_losses(logits: Tensor, labels: Tensor, valid: Tensor, config: LossConfig, hardest: float) -> dict[str, Tensor]:
    """The supervised losses of a clip.

    Args:
        logits: `[B, T-1, O+1, H, W]`, aggregated, background first.
        labels: `[B, T-1, H, W]` int64, 0..O.
        valid: `[B, O]` bool.
        config: Weights and constants.
        hardest: Fraction of pixels that counts now.

    Returns:
        `loss` (to be minimised) and its parts `cross_entropy` and `dice`.
    """
    frames = logits.shape[1]
    flat, labels = logits.flatten(0, 1), labels.flatten(0, 1)
    cross_entropy = poly1_cross_entropy(flat, labels, epsilon=config.poly_epsilon, hardest=hardest)
    masks = object_masks(labels, valid.shape[1])
    dice = dice_loss(flat.softmax(1)[:, 1:], masks, valid.repeat_interleave(frames, 0))
    return {"loss": cross_entropy + config.dice * dice, "cross_entropy": cross_entropy, "dice": dice}


def _step(state: Checkpoint, batch: ClipBatch, config: RunConfig, device: torch.device) -> dict[str, float]:
    """One optimizer step, which also counts it."""
    training = config.training
    objects = max(1, int(batch.valid.sum(1).max()))  # objects that no clip of the batch has cost nothing
    valid = batch.valid[:, :objects].to(device)
    frames = batch.frames.to(device).float() / 255
    labels = batch.labels.to(device).long()
    factor = learning_rate_factor(state.step, training)
    set_learning_rate(state.optimizer, factor)
    # Bootstrapping sets in gradually: first all pixels, from a fifth to a half of the run down to the hardest.
    progress = min(1.0, max(0.0, (state.step / training.steps - 0.2) / 0.3))
    hardest = 1 + (config.losses.hardest - 1) * progress

    logits = clip_logits(state.network, frames, object_masks(labels[:, 0], objects), valid)
    losses = clip_losses(logits, labels[:, 1:], valid, config.losses, hardest)
    _refuse_not_finite("loss", losses["loss"], state, batch)
    state.optimizer.zero_grad(set_to_none=True)
    losses["loss"].backward()  # type: ignore[no-untyped-call]
    norm = torch.nn.utils.clip_grad_norm_(state.network.parameters(), training.gradient_clip)
    _refuse_not_finite("gradient's norm", norm, state, batch)  # before it reaches the weights and a checkpoint
    state.optimizer.step()
    update_average(state.average, state.network, training.ema_decay, state.step)
    state.step += 1
    values = {name: float(value.detach()) for name, value in losses.items()}
    return values | {"gradient_norm": float(norm), "learning_rate_factor": factor}


def _refuse_not_finite(name: str, value: Tensor, state: Checkpoint, batch: ClipBatch) -> None:
    if not math.isfinite(float(value.detach())):
        raise InputError(
            f"the {name} of step {state.step + 1} is {float(value.detach())}",
            found=f"clips {', '.join(batch.names)}",
            remedy="lower training.learning_rate, or look at these clips",
        )


def _initial_state(config: RunConfig, device: torch.device) -> Checkpoint:
    if config.init and config.trunk_weights:
        raise InputError("init and trunk_weights are both given", remedy="give one: init holds a trunk already")
    if config.init:
        network = load_network(config.init)
        if network.config != config.model:
            same = network.config.name == config.model.name
            found = network.config.name + (" of other dimensions" if same else "")
            raise InputError(f"{config.init} holds another network", expected=config.model.name, found=found)
    else:
        network = build_network(config.model, trunk_weights=config.trunk_weights or None, seed=config.seed)
    network = _place(network, device)
    freeze_trunk_statistics(network)
    average = copy.deepcopy(network).eval().requires_grad_(False)
    return Checkpoint(0, network, average, build_optimizer(network, config.training), config_hash(config))


def _place(network: MemoryNetwork, device: torch.device) -> MemoryNetwork:
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise InputError(f"device={name}", expected="auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device=cuda", found="no CUDA device", remedy="give device=cpu")
    return torch.device(name)


def _provenance(config: RunConfig, config_sha256: str) -> dict[str, Any]:
    return {
        "stage": config.stage,
        "seed": config.seed,
        "steps": config.training.steps,
        "config_sha256": config_sha256,
        "init_sha256": sha256_of(config.init) if config.init else None,
        "trunk_weights_sha256": sha256_of(config.trunk_weights) if config.trunk_weights else None,
        "mobilevos": version("mobilevos"),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
    }
