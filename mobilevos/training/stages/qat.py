"""`stage=qat`: quantization-aware distillation, a student that learns to live with int8 while a teacher looks on."""

from __future__ import annotations

import torch

from mobilevos.errors import InputError
from mobilevos.training.objectives import Distillation, Objective, Supervised
from mobilevos.training.schema import RunConfig
from mobilevos.training.stages.distill import load_teacher

__all__ = ["QatStage"]


class QatStage:
    """A distilled student with fake quantization in its graph, by the losses that it was distilled with.

    Without the teacher's losses (`losses.representation=0 losses.logit=0`) it is plain quantization-aware training.
    """

    def check(self, config: RunConfig) -> None:
        """See `Stage.check`."""
        if not config.init:
            raise InputError(
                "stage=qat without a student", remedy="give init=FILE, a network that was trained in float"
            )
        if _has_teacher(config) and not config.model.teacher.checkpoint:
            raise InputError(
                "stage=qat without a teacher",
                remedy="give model.teacher.checkpoint=FILE, or losses.representation=0 losses.logit=0 to train without",
            )
        if config.training.precision != "fp32" or config.training.compile:
            raise InputError(
                "stage=qat in mixed precision or compiled",
                expected="training.precision=fp32 training.compile=false",
                found=f"{config.training.precision}, compile={config.training.compile}",
            )

    def objective(self, config: RunConfig, device: torch.device) -> Objective:
        """See `Stage.objective`."""
        if not _has_teacher(config):
            return Supervised(config.losses)
        return Distillation(config.losses, load_teacher(config.model.teacher, device))


def _has_teacher(config: RunConfig) -> bool:
    return bool(config.losses.representation or config.losses.logit)
