"""What the numbers of a run's configuration may be: types alone let a run start that cannot end."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite
from operator import attrgetter
from typing import TYPE_CHECKING

from mobilevos.contract import STRIDE
from mobilevos.errors import InputError

if TYPE_CHECKING:
    from mobilevos.training.config import RunConfig

__all__ = ["LIMITS", "check_limits"]

LIMITS: dict[str, tuple[float, float]] = {
    "seed": (0, 2**63 - 1),
    "data.static_share": (0, 1),
    "data.davis.skip": (1, inf),
    "data.crop": (2 * STRIDE, inf),
    "data.frames": (2, inf),
    "data.max_objects": (1, 254),
    "data.workers": (0, inf),
    "training.steps": (1, inf),
    "training.batch_size": (1, inf),
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
    "losses.dice": (0, inf),
}
"""Key -> least and largest value, both allowed."""


def check_limits(config: RunConfig) -> None:
    """Refuses numbers that no run can use.

    Raises:
        InputError: A number is out of `LIMITS` or not a number, `data.davis.skip` is not a pair, or `data.crop` is not
            a multiple of 16.
    """
    for key, (least, most) in LIMITS.items():
        value = attrgetter(key)(config)
        for number in value if isinstance(value, (list, tuple)) else (value,):
            if not (isfinite(number) and least <= number <= most):
                _refuse(key, f"at least {least}" if most == inf else f"{least} to {most}", number)
    skip: Sequence[int] = config.data.davis.skip  # a list, of any length, where it comes from YAML
    if len(skip) != 2:
        _refuse("data.davis.skip", "two numbers", skip)
    if config.data.crop % STRIDE:
        _refuse("data.crop", f"a multiple of {STRIDE}", config.data.crop)


def _refuse(key: str, expected: str, found: object) -> None:
    raise InputError(f"configuration key {key!r}", expected=expected, found=str(found))
