"""`stage=teacher`: the light teacher, where the published STCN is not at hand."""

from __future__ import annotations

import torch

from mobilevos.errors import InputError
from mobilevos.training.objectives import Objective, Supervised
from mobilevos.training.schema import RunConfig

__all__ = ["TeacherStage"]


class TeacherStage:
    """A network with a top-k read, on video, by the losses of a student alone."""

    def check(self, config: RunConfig) -> None:
        """See `Stage.check`. A teacher reads its nearest memory positions alone, so that any memory is of use to it."""
        if config.model.top_k is None:
            raise InputError(
                f"stage=teacher with model.name={config.model.name}",
                expected="a network with model.top_k, as model=teacher_mobilenet_v2",
            )

    def objective(self, config: RunConfig, device: torch.device) -> Objective:
        """See `Stage.objective`."""
        return Supervised(config.losses)
