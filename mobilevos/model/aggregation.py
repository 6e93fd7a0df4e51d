"""Soft aggregation (placeholder until the final form lands)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def aggregate_logits(logits: Tensor, valid: Tensor | None = None) -> Tensor:
    x = logits.float()
    if valid is not None:
        x = x.masked_fill(~valid[..., None, None], -60.0)
    s = F.logsigmoid(-x).sum(-3, keepdim=True).clamp(max=-1e-7)
    return torch.cat([s - torch.log(-torch.expm1(s)), x], -3)
