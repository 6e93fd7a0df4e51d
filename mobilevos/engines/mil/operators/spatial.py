"""MIL operators on images `[B, C, H, W]`: convolution, pooling and resampling."""

from __future__ import annotations

from math import floor, inf

import torch.nn.functional as F
from torch import Tensor

__all__ = ["conv", "max_pool", "upsample_bilinear"]


def conv(
    x: Tensor,
    weight: Tensor,
    strides: tuple[int, ...],
    pad_type: str,
    pad: tuple[int, ...],
    dilations: tuple[int, ...],
    groups: int,
    bias: Tensor | None = None,
) -> Tensor:
    """Convolution.

    Args:
        x: `[B, Cin, H, W]`.
        weight: `[Cout, Cin/groups, KH, KW]`.
        strides: Down and across.
        pad_type: `valid` or `custom`.
        pad: Zeros above, below, left and right, for `custom`.
        dilations: Down and across.
        groups: Into which the channels are split.
        bias: `[Cout]`.

    Raises:
        ValueError: Another `pad_type`, or not two spatial dimensions.
    """
    top, bottom, left, right = _padding(x, pad_type, pad)
    if (top, left) != (bottom, right):
        x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
    return F.conv2d(x, weight, bias, strides, (top, left), dilations, groups)


def max_pool(
    x: Tensor,
    kernel_sizes: tuple[int, ...],
    strides: tuple[int, ...],
    pad_type: str,
    pad: tuple[int, ...],
    ceil_mode: bool,
) -> Tensor:
    """Largest value of each window `kernel_sizes`; padding, as in `conv`, never is.

    Raises:
        ValueError: Another `pad_type` than `valid` or `custom`, not two spatial dimensions, or `ceil_mode`.
    """
    if ceil_mode:
        raise ValueError("max_pool with ceil_mode is not implemented")
    top, bottom, left, right = _padding(x, pad_type, pad)
    return F.max_pool2d(F.pad(x, (left, right, top, bottom), value=-inf), kernel_sizes, strides)


def upsample_bilinear(x: Tensor, scale_factor_height: float, scale_factor_width: float, align_corners: bool) -> Tensor:
    """Bilinear resampling of `[B, C, H, W]` to the floor of each side times its factor.

    The grid is spaced by the sizes, not by the factors, as MIL has it.
    """
    size = [
        floor(side * scale) for side, scale in zip(x.shape[2:], (scale_factor_height, scale_factor_width), strict=True)
    ]
    return F.interpolate(x, size=size, mode="bilinear", align_corners=align_corners)


def _padding(x: Tensor, pad_type: str, pad: tuple[int, ...]) -> tuple[int, ...]:
    """Rows above and below, columns left and right."""
    if x.ndim != 4:
        raise ValueError(f"{x.ndim - 2} spatial dimensions are not implemented")
    if pad_type not in ("valid", "custom"):
        raise ValueError(f"pad_type {pad_type!r} is not implemented")
    return pad if pad_type == "custom" else (0, 0, 0, 0)
