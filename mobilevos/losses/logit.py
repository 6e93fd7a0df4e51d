"""The logit loss: the student's class probabilities drawn to the teacher's, where it matters."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["logit_distillation_loss"]


def logit_distillation_loss(
    student: Tensor, teacher: Tensor, mask: Tensor, *, temperature: float, scale: bool
) -> Tensor:
    """KL(teacher || student) of `softmax(logits / temperature)` on masked pixels (Hinton et al., 2015).

    Args:
        student: `[B, C, H, W]`, aggregated logits, all finite; absent classes hold
            `mobilevos.model.aggregation.ABSENT_LOGIT` in both networks.
        teacher: `[B, C, H, W]`, likewise; gets no gradient.
        mask: `[B, H, W]` bool, the pixels that count, such as `boundary_mask`'s.
        temperature: Above 0; the larger, the softer. Beyond 100 absent classes begin to count.
        scale: Multiply by temperature squared, so that the gradient keeps its size as the temperature changes.

    Returns:
        A scalar of at least 0: the mean over each sample's masked pixels (0 if it has none), then over all B
        samples. Computed in float32 at least.

    Raises:
        ValueError: `temperature` is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"temperature={temperature} must be above 0")
    student, teacher = (
        logits.to(torch.promote_types(logits.dtype, torch.float32)) for logits in (student, teacher.detach())
    )
    own, target = (F.log_softmax(logits / temperature, dim=1) for logits in (student, teacher))
    divergence = F.kl_div(own, target, reduction="none", log_target=True).sum(1)  # [B, H, W]
    weight = mask.to(divergence.dtype)
    losses = (divergence * weight).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1)
    return losses.mean() * (temperature**2 if scale else 1)
