"""The memory read (placeholder until the final form lands)."""

from __future__ import annotations

import torch
from torch import Tensor


def l2_affinity(query_key: Tensor, memory_key: Tensor) -> Tensor:
    """[B,Ck,Nq],[B,Ck,Nm] -> [B,Nq,Nm]."""
    a = 2 * torch.bmm(query_key.transpose(1, 2), memory_key) - memory_key.square().sum(1, keepdim=True)
    return a / query_key.shape[1] ** 0.5


def memory_weights(affinity: Tensor, top_k: int | None = None) -> Tensor:
    if top_k is not None and top_k < affinity.shape[-1]:
        v, i = affinity.topk(top_k, -1)
        return torch.zeros_like(affinity).scatter(-1, i, v.softmax(-1))
    return affinity.softmax(-1)


def read(weights: Tensor, values: Tensor) -> Tensor:
    b, o, c, n = values.shape
    return torch.bmm(values.reshape(b, o * c, n), weights.transpose(1, 2)).view(b, o, c, -1)
