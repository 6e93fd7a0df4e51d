"""`stage=student`: a network alone, on annotated video with still images mixed in."""

from __future__ import annotations

import torch

from mobilevos.training.objectives import Objective, Supervised
from mobilevos.training.schema import RunConfig

__all__ = ["StudentStage"]


class StudentStage:
    """Any network, on video; the memory is every frame of the clip before the one that is read."""

    def check(self, config: RunConfig) -> None:
        """See `Stage.check`."""

    def objective(self, config: RunConfig, device: torch.device) -> Objective:
        """See `Stage.objective`."""
        return Supervised(config.losses)
