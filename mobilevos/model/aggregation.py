"""Soft aggregation: independent mask logits of several objects made to agree on every pixel, in logit space."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["ABSENT_LOGIT", "aggregate_logits"]

ABSENT_LOGIT = -1e4
"""Logit of an object that is not there: finite in fp16, and nothing after the softmax."""

# exp(-80) is still a normal float32, so that the background's logit and its gradient stay finite.
_LOGIT_BOUND = 80.0


def aggregate_logits(logits: Tensor, valid: Tensor | None = None) -> Tensor:
    """Adds the background's logit to those of the objects; a softmax over them gives the joint probabilities.

    STM's soft aggregation (Oh et al., 2019): the background is where no object is,
    `p_0 = prod(1 - p_i)`, and each probability is replaced by its odds before normalisation. An object's
    log-odds are its logit. With `S = sum softplus(x_i) = -log p_0`, the background's are
    `log(p_0 / (1 - p_0)) = -S - log(1 - exp(-S))`. No probability is formed, hence none is clamped: the clamp
    at 1e-7 that published code uses gives infinite odds in fp16.

    Args:
        logits: `[..., O, H, W]`, one independent logit per object. fp16 and bf16 are computed in float32.
        valid: `[..., O]`, bool: the objects that exist, where a batch is padded to a common number. None: all.

    Returns:
        `[..., O+1, H, W]`, float32 (float64 for float64), background first. Finite for every finite input.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if valid is not None:
        logits = logits.masked_fill(~valid[..., None, None], ABSENT_LOGIT)
    softplus = F.softplus(logits.clamp(-_LOGIT_BOUND, _LOGIT_BOUND))
    total = softplus.sum(dim=-3, keepdim=True)  # [..., 1, H, W]
    background = -total - torch.log(-torch.expm1(-total))
    return torch.cat([background, logits], dim=-3)
