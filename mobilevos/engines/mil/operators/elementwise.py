"""MIL operators on each element, with NumPy's broadcasting."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

__all__ = ["add", "cast", "clip", "mul", "relu", "sub"]


def add(x: Tensor, y: Tensor | float) -> Tensor:
    """`x + y`."""
    return x + y


def sub(x: Tensor, y: Tensor | float) -> Tensor:
    """`x - y`."""
    return x - y


def mul(x: Tensor, y: Tensor | float) -> Tensor:
    """`x * y`."""
    return x * y


def relu(x: Tensor) -> Tensor:
    """`max(x, 0)`."""
    return F.relu(x)


def clip(x: Tensor, alpha: float, beta: float) -> Tensor:
    """`x` kept within `alpha..beta`."""
    return x.clamp(alpha, beta)


def cast(x: Tensor, dtype: str) -> Tensor:
    """`x` in another type; the rounding itself is the interpreter's, as after every operator.

    Raises:
        ValueError: The type is not one of real numbers.
    """
    if dtype not in ("fp16", "fp32"):
        raise ValueError(f"cast to {dtype} is not implemented")
    return x
