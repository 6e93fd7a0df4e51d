"""MIL operators that sum over a dimension: products, means and the softmax."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["matmul", "reduce_mean", "softmax"]


def matmul(x: Tensor, y: Tensor, transpose_x: bool, transpose_y: bool) -> Tensor:
    """Batched matrix product `[*B, M, K] x [*B, K, N] -> [*B, M, N]`, either one transposed first."""
    return torch.matmul(x.mT if transpose_x else x, y.mT if transpose_y else y)


def reduce_mean(x: Tensor, axes: tuple[int, ...], keep_dims: bool) -> Tensor:
    """Mean over `axes`, which stay with length 1 or go."""
    return x.mean(dim=axes, keepdim=keep_dims)


def softmax(x: Tensor, axis: int) -> Tensor:
    """`exp(x)` over its sum along `axis`."""
    return x.softmax(dim=axis)
