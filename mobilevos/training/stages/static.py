"""`stage=static`: still images, turned into short clips, teach what an object is and how to follow its shape."""

from __future__ import annotations

import torch

from mobilevos.errors import InputError
from mobilevos.training.objectives import Objective, Supervised
from mobilevos.training.schema import RunConfig

__all__ = ["StaticStage"]


class StaticStage:
    """Any network, on still images alone."""

    def check(self, config: RunConfig) -> None:
        """See `Stage.check`."""
        if config.data.static_share != 1:
            raise InputError(
                f"stage=static with data.static_share={config.data.static_share}",
                expected="still images alone",
                remedy="give stage=student for a mixture",
            )

    def objective(self, config: RunConfig, device: torch.device) -> Objective:
        """See `Stage.objective`."""
        return Supervised(config.losses)
