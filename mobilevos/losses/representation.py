"""The representation loss: knowledge distillation and supervised contrastive learning in one expression."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["representation_loss"]

_SMALLEST_NORM = 1e-6
"""Features shorter than this count as 0: below it the gradient of the direction, 1/norm, is noise."""

_SMALLEST_SUM = 1e-6
"""Floor of the sums under the logarithm. Only features that are 0 come near: else the diagonals are 1."""


def representation_loss(
    student: Tensor, teacher: Tensor | None, labels: Tensor, *, omega: float, valid: Tensor | None = None
) -> Tensor:
    """Aligns the correlations of the student's pixels with the teacher's and the labels' (Miles et al., CVPR 2023).

    With L2-normalised features Z, the student's correlations `C_ss = Z_s Z_s^T` and the one-hot labels Y,

        C = omega Z_t Z_t^T + (1 - omega) Y Y^T
        L = 1/N [log2 ||C_ss||_F^2 - log2 ||C_ss o C||_F^2]

    which is 0 when pixels correlate in the student only where C is 1 or -1. `omega` 0 is supervised contrastive
    learning, 1 is pure distillation. Since the entries of C lie in -1..1 with 1 on the diagonal, the loss lies
    in `0 .. log2(N) / N`: its weight has to make up for N. A student's feature of 0 takes no part; where no pixel
    has a feature in both networks the loss is finite, and 0 if the student has none at all.

    Args:
        student: `[B, N, Ds]`, features of N pixels, at least one, of any scale.
        teacher: `[B, N, Dt]`, those of the same pixels; gets no gradient. May be None if `omega` is 0.
        labels: `[B, N]` integer, the object ids of the pixels.
        omega: The teacher's share in the target, 0..1.
        valid: `[B]` bool; other samples count as 0. None: all.

    Returns:
        A scalar, the mean over all B samples, computed in float32 at least, also under autocast.

    Raises:
        ValueError: `omega` is not in 0..1, or above 0 without a teacher.
    """
    if not 0 <= omega <= 1:
        raise ValueError(f"omega={omega} must be in 0..1")
    with torch.autocast(student.device.type, enabled=False):
        own = _correlations(student)
        target = (labels[:, :, None] == labels[:, None, :]).to(own.dtype)
        if omega > 0:
            if teacher is None:
                raise ValueError(f"omega={omega} needs a teacher's features")
            target = omega * _correlations(teacher.detach()) + (1 - omega) * target
        losses = (_log2_of_squares(own) - _log2_of_squares(own * target)) / student.shape[1]
        if valid is not None:
            losses = losses.where(valid, 0)
        return losses.mean()


def _correlations(features: Tensor) -> Tensor:
    """Cosine similarities of all pairs of pixels, `[B, N, N]`, -1..1."""
    wide = features.to(torch.promote_types(features.dtype, torch.float32))
    unit = F.normalize(wide, dim=-1, eps=_SMALLEST_NORM)
    return unit @ unit.mT


def _log2_of_squares(matrices: Tensor) -> Tensor:
    """`log2 ||.||_F^2` of each matrix, `[B]`; at the floor its gradient is 0."""
    return matrices.square().sum((1, 2)).clamp(min=_SMALLEST_SUM).log2()
