"""What the numbers of a run's configuration may be: types alone let a run start that cannot end."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite
from operator import attrgetter
from typing import TYPE_CHECKING

from mobilevos.contract import STRIDE
from mobilevos.errors import InputError
from mobilevos.quantization.specification import Observer

if TYPE_CHECKING:
    from mobilevos.training.schema import RunConfig

__all__ = ["CHOICES", "LIMITS", "PAIRS", "check_limits"]

LIMITS: dict[str, tuple[float, float]] = {
    "seed": (0, 2**63 - 1),
    "data.static_share": (0, 1),
    "data.davis.skip": (1, inf),
    "data.davis.share": (0, inf),
    "data.youtube_vos.skip": (1, inf),
    "data.youtube_vos.share": (0, inf),
    "data.bl30k.skip": (1, inf),
    "data.bl30k.share": (0, inf),
    "data.crop": (2 * STRIDE, inf),
    "data.frames": (2, inf),
    "data.max_objects": (1, 254),
    "data.workers": (0, inf),
    "training.steps": (1, inf),
    "training.batch_size": (1, inf),
    "training.accumulate": (1, inf),
    "training.decay_at": (0, 1),
    "training.learning_rate": (0, inf),
    "training.trunk_learning_rate": (0, inf),
    "training.weight_decay": (0, inf),
    "training.warmup": (0, inf),
    "training.gradient_clip": (0, inf),
    "training.ema_decay": (0, 1),
    "training.checkpoint_every": (1, inf),
    "training.log_every": (1, inf),
    "training.threads": (0, inf),
    "losses.poly_epsilon": (-1, inf),
    "losses.hardest": (0, 1),
    "losses.hardest_ramp": (0, 1),
    "losses.dice": (0, inf),
    "losses.representation": (0, inf),
    "losses.omega": (0, 1),
    "losses.logit": (0, inf),
    "losses.temperature": (1e-3, inf),
    "losses.pixels": (1, inf),
    "losses.boundary_radius": (0, 64),
    "quantization.frames": (1, inf),
    "quantization.size": (2 * STRIDE, inf),
    "quantization.learning_rate": (0, inf),
    "quantization.freeze_at": (0, 1),
    "model.teacher.top_k": (0, inf),
    "validation.every": (0, inf),
    "validation.frames": (0, inf),
    "validation.resize": (0, inf),
}
"""Key -> least and largest value, both allowed."""

CHOICES: dict[str, tuple[str, ...]] = {
    "training.optimizer": ("adamw", "adam"),
    "training.schedule": ("cosine", "step"),
    "training.frozen_norm": ("trunk", "all"),
    "training.precision": ("fp32", "bf16", "fp16"),
    "losses.sampling": ("boundary", "uniform"),
    "quantization.observer": tuple(Observer),
    "validation.split": ("train", "val"),
    "validation.memory": ("bounded", "unbounded"),
}
"""Key -> the values it may have."""

PAIRS = ("data.davis.skip", "data.youtube_vos.skip", "data.bl30k.skip", "losses.hardest_ramp", "quantization.size")
"""Keys of two numbers."""


def check_limits(config: RunConfig) -> None:
    """Refuses values that no run can use.

    Raises:
        InputError: A number is out of `LIMITS` or not a number, a word is not among its `CHOICES`, one of `PAIRS` is
            not a pair, a side is not a multiple of 16, or `training.accumulate` does not divide the batch.
    """
    for key, (least, most) in LIMITS.items():
        value = attrgetter(key)(config)
        for number in value if isinstance(value, (list, tuple)) else (value,):
            if not (isfinite(number) and least <= number <= most):
                _refuse(key, f"at least {least}" if most == inf else f"{least} to {most}", number)
    for key, choices in CHOICES.items():
        if attrgetter(key)(config) not in choices:
            _refuse(key, " or ".join(choices), attrgetter(key)(config))
    for key in PAIRS:
        pair: Sequence[float] = attrgetter(key)(config)  # a list, of any length, where it comes from YAML
        if len(pair) != 2:
            _refuse(key, "two numbers", pair)
    for key, sides in (("data.crop", [config.data.crop]), ("quantization.size", config.quantization.size)):
        if any(side % STRIDE for side in sides):
            _refuse(key, f"a multiple of {STRIDE}", attrgetter(key)(config))
    if config.training.batch_size % config.training.accumulate:
        _refuse(
            "training.accumulate", f"a divisor of the batch of {config.training.batch_size}", config.training.accumulate
        )


def _refuse(key: str, expected: str, found: object) -> None:
    raise InputError(f"configuration key {key!r}", expected=expected, found=str(found))
