"""Parameter groups, learning-rate schedule and weight averaging."""

from __future__ import annotations

import math

import torch
from torch import nn

from mobilevos.model.network import MemoryNetwork
from mobilevos.training.schema import RunConfig, TrainingConfig

__all__ = [
    "add_ranges",
    "build_optimizer",
    "learning_rate_factor",
    "set_learning_rate",
    "set_training_mode",
    "update_average",
]

FINAL_FACTOR = 0.01
STEP_FACTOR = 0.1


def build_optimizer(network: MemoryNetwork, config: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW or Adam; the trunk learns at its own rate, and only convolution weights decay."""
    trunk = set(network.query_encoder.trunk.parameters())
    groups = []
    for is_trunk, rate in ((True, config.trunk_learning_rate), (False, config.learning_rate)):
        parameters = [p for p in network.parameters() if (p in trunk) == is_trunk]
        for decays in (True, False):
            members = [p for p in parameters if (p.ndim > 1) == decays]
            decay = config.weight_decay if decays else 0.0
            groups.append({"params": members, "lr": rate, "peak": rate, "weight_decay": decay})
    kinds: dict[str, type[torch.optim.Optimizer]] = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
    return kinds[config.optimizer](groups)  # type: ignore[call-arg]


def add_ranges(optimizer: torch.optim.Optimizer, ranges: nn.Module, config: RunConfig) -> None:
    """Lets ranges learn too, until `quantization.freeze_at` of the run."""
    rate = config.quantization.learning_rate
    group = {"params": [p for p in ranges.parameters() if p.requires_grad], "lr": rate, "peak": rate}
    until = config.quantization.freeze_at * config.training.steps
    optimizer.add_param_group({**group, "weight_decay": 0.0, "until": until})


def learning_rate_factor(step: int, config: TrainingConfig) -> float:
    """Fraction of the peak rate at a step: linear warm-up, then a cosine to 1 %, or one drop to a tenth."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    if config.schedule == "step":
        return 1.0 if step < config.decay_at * config.steps else STEP_FACTOR
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    return FINAL_FACTOR + (1 - FINAL_FACTOR) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def set_learning_rate(optimizer: torch.optim.Optimizer, factor: float, step: int) -> None:
    """Sets every group to `factor` times its peak rate, and to 0 after its last step, if it has one."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor if step < group.get("until", math.inf) else 0.0


def set_training_mode(network: MemoryNetwork, frozen_norm: str) -> None:
    """Training mode, but for batch norms that keep their statistics: the trunk's, or `all`."""
    network.train()
    frozen = network if frozen_norm == "all" else network.query_encoder.trunk
    for module in frozen.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
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
