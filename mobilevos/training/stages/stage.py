"""What a stage is."""

from __future__ import annotations

from typing import Protocol

import torch

from mobilevos.training.objectives import Objective
from mobilevos.training.schema import RunConfig

__all__ = ["Stage"]


class Stage(Protocol):
    """One stage of training."""

    def check(self, config: RunConfig) -> None:
        """Refuses a configuration that this stage cannot use.

        Raises:
            InputError: Something is missing, or is for another stage.
        """

    def objective(self, config: RunConfig, device: torch.device) -> Objective:
        """What the stage minimises.

        Raises:
            InputError: A teacher is missing or damaged.
        """
