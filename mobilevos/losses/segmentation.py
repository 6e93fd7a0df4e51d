"""Segmentation losses on aggregated logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["dice_loss", "poly1_cross_entropy"]


def poly1_cross_entropy(logits: Tensor, labels: Tensor, *, epsilon: float = 1.0, hardest: float = 1.0) -> Tensor:
    """Poly-1 cross entropy `CE + epsilon * (1 - p_t)` (Leng et al., ICLR 2022; MobileVOS, section 3.1).

    Args:
        logits: `[B, C, H, W]`, background first; -inf is not allowed, absent classes hold a large negative value.
        labels: `[B, H, W]`, int64 in 0..C-1.
        epsilon: Weight of the first polynomial term; 0 is plain cross entropy.
        hardest: Fraction of each image's pixels, in 0..1, that counts: those with the largest loss
            (bootstrapping, as in STCN). 1 counts all.

    Returns:
        A scalar, computed in float32 at least.
    """
    logits = logits if logits.dtype == torch.float64 else logits.float()
    cross_entropy = F.cross_entropy(logits, labels, reduction="none").flatten(1)
    loss = cross_entropy + epsilon * (1 - torch.exp(-cross_entropy))
    if hardest < 1:
        loss = loss.topk(max(1, round(hardest * loss.shape[1])), dim=1).values
    return loss.mean()


def dice_loss(probabilities: Tensor, masks: Tensor, valid: Tensor) -> Tensor:
    """Soft Dice loss (Milletari et al., 2016), averaged over the objects of each sample, then over samples.

    Args:
        probabilities: `[B, O, H, W]` in 0..1.
        masks: `[B, O, H, W]`, 0 or 1.
        valid: `[B, O]` bool; objects that the clip does not have are left out.

    Returns:
        A scalar in 0..1, computed in float32 at least. A sample without a valid object counts as 0: all samples
        weigh the same, so that the mean over parts of a batch is that over the batch.
    """
    # An object of 65,536 pixels would overflow float16.
    dtype = torch.promote_types(probabilities.dtype, torch.float32)
    probabilities, masks = probabilities.to(dtype).flatten(2), masks.to(dtype).flatten(2)
    overlap = (probabilities * masks).sum(-1)
    # One pixel of smoothing keeps an object that left the frame finite, and rewards its absence.
    ratio = (2 * overlap + 1) / (probabilities.sum(-1) + masks.sum(-1) + 1)
    weight = valid.to(ratio.dtype)
    return (((1 - ratio) * weight).sum(1) / weight.sum(1).clamp(min=1)).mean()
