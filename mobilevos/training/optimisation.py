"""Parameter groups, learning-rate schedule and weight averaging."""

from __future__ import annotations

import math

import torch
from torch import nn

from mobilevos.model.network import MemoryNetwork
from mobilevos.training.config import TrainingConfig

__all__ = [
    "build_optimizer",
    "freeze_trunk_statistics",
    "learning_rate_factor",
    "set_learning_rate",
    "update_average",
]

FINAL_FACTOR = 0.01


def build_optimizer(network: MemoryNetwork, config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW; the trunk learns at its own rate, and only convolution weights decay."""
    trunk = set(network.query_encoder.trunk.parameters())
    groups = []
    for is_trunk, rate in ((True, config.trunk_learning_rate), (False, config.learning_rate)):
        parameters = [p for p in network.parameters() if (p in trunk) == is_trunk]
        for decays in (True, False):
            members = [p for p in parameters if (p.ndim > 1) == decays]
            decay = config.weight_decay if decays else 0.0
            groups.append({"params": members, "lr": rate, "peak": rate, "weight_decay": decay})
    return torch.optim.AdamW(groups)


def learning_rate_factor(step: int, config: TrainingConfig) -> float:
    """Fraction of the peak rate at a step: linear warm-up, then a cosine to 1 %."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    return FINAL_FACTOR + (1 - FINAL_FACTOR) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def set_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Sets every group to `factor` times its peak rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor


def freeze_trunk_statistics(network: MemoryNetwork) -> None:
    """Training mode, but for the trunk's batch norm: a few clips are too few to re-estimate ImageNet's statistics."""
    network.train()
    for module in network.query_encoder.trunk.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


@torch.no_grad()
def update_average(average: MemoryNetwork, network: MemoryNetwork, decay: float, step: int) -> None:
    """Exponential moving average of parameters and statistics; young averages forget faster."""
    decay = min(decay, (1 + step) / (10 + step))
    for mean, current in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(current, 1 - decay)
        else:
            mean.copy_(current)
