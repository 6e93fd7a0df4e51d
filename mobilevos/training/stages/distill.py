"""`stage=distill`: a student with a teacher (MobileVOS, Miles et al., CVPR 2023, section 3)."""

from __future__ import annotations

from pathlib import Path

import torch

from mobilevos.errors import InputError
from mobilevos.model.checkpoint import is_checkpoint, load_network
from mobilevos.model.network import MemoryNetwork
from mobilevos.model.stcn import Stcn
from mobilevos.training.objectives import Distillation, Objective
from mobilevos.training.schema import RunConfig, TeacherConfig

__all__ = ["DistillStage", "load_teacher"]


class DistillStage:
    """A student, on video, by the supervised losses and a teacher's representation and logits."""

    def check(self, config: RunConfig) -> None:
        """See `Stage.check`."""
        if not config.model.teacher.checkpoint:
            raise InputError(
                "stage=distill without a teacher",
                remedy="give model.teacher.checkpoint=FILE: stcn.pth, or the network.safetensors of stage=teacher",
            )
        losses = config.losses
        if not losses.representation and not losses.logit:
            raise InputError(
                "stage=distill with losses.representation=0 and losses.logit=0",
                expected="a loss that has to do with the teacher",
                remedy="give stage=student for a student alone",
            )

    def objective(self, config: RunConfig, device: torch.device) -> Objective:
        """See `Stage.objective`."""
        return Distillation(config.losses, load_teacher(config.model.teacher, device))


def load_teacher(config: TeacherConfig, device: torch.device) -> MemoryNetwork | Stcn:
    """The teacher, in evaluation mode and without gradients: a network of this project or the published STCN.

    Raises:
        InputError: The file is missing, damaged, or neither.
    """
    path = Path(config.checkpoint)
    if path.suffix == ".safetensors" and is_checkpoint(path):
        teacher: MemoryNetwork | Stcn = load_network(path)
    else:
        teacher = Stcn.load_published(path, top_k=config.top_k or None)
    placed: MemoryNetwork | Stcn = teacher.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return placed.requires_grad_(False)
