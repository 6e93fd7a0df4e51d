"""MIL operators that move elements and compute nothing."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["concat", "pad", "reshape", "transpose"]


def reshape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The elements of `x` in C order as `shape`; one side may be -1."""
    return x.reshape(shape)


def transpose(x: Tensor, perm: tuple[int, ...]) -> Tensor:
    """Dimension `i` of the result is dimension `perm[i]` of `x`."""
    return x.permute(perm)


def concat(values: tuple[Tensor, ...], axis: int, interleave: bool) -> Tensor:
    """Tensors one after the other along `axis`.

    Raises:
        ValueError: They are to be interleaved.
    """
    if interleave:
        raise ValueError("concat with interleave is not implemented")
    return torch.cat(values, dim=axis)


def pad(x: Tensor, pad: tuple[int, ...], mode: str, constant_val: float) -> Tensor:
    """`x` with a frame of `constant_val`.

    Args:
        x: Any shape.
        pad: Elements before and after, for each of the last `len(pad) / 2` dimensions, the first of them first.
        mode: `constant`.
        constant_val: What the frame holds.

    Raises:
        ValueError: Another mode.
    """
    if mode != "constant":
        raise ValueError(f"pad with mode {mode!r} is not implemented")
    pairs = [pad[i : i + 2] for i in range(0, len(pad), 2)]
    return F.pad(x, [side for pair in reversed(pairs) for side in pair], value=constant_val)
