"""MIL operators between real numbers and 8-bit integers, `real = scale * (integer - zero_point)`.

Those called `constexpr_*` make a weight from its integers, and are given constants alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["constexpr_affine_dequantize", "constexpr_blockwise_shift_scale", "dequantize", "quantize"]


def quantize(
    input: Tensor,  # MIL's name
    scale: Tensor | float,
    output_dtype: str,
    zero_point: Tensor | int = 0,
    axis: int | None = None,
) -> Tensor:
    """The nearest integer, halves to the even one; beyond the type's limits, the limit.

    Args:
        input: Any shape.
        scale: Above 0; a number, or `[N]` for `N` slices along `axis`.
        output_dtype: `int8` or `uint8`.
        zero_point: Like `scale`; the integer of 0.
        axis: Of the slices.

    Raises:
        ValueError: Another `output_dtype`.
    """
    if output_dtype not in ("int8", "uint8"):
        raise ValueError(f"quantize to {output_dtype} is not implemented")
    limits = torch.iinfo(getattr(torch, output_dtype))
    integers = torch.round(input / _along(scale, axis, input)) + _along(zero_point, axis, input)
    return integers.clamp(limits.min, limits.max)


def dequantize(
    input: Tensor,  # MIL's name
    scale: Tensor | float,
    zero_point: Tensor | float = 0,
    axis: int | None = None,
) -> Tensor:
    """The real numbers that integers stand for; see `quantize` for the arguments."""
    return (input - _along(zero_point, axis, input)) * _along(scale, axis, input)


def constexpr_affine_dequantize(
    quantized_data: Tensor, zero_point: Tensor | float, scale: Tensor | float, axis: int
) -> Tensor:
    """A weight from its integers; see `quantize` for the arguments."""
    return dequantize(quantized_data, scale, zero_point, axis)


def constexpr_blockwise_shift_scale(data: Tensor, scale: Tensor, offset: Tensor | None = None) -> Tensor:
    """A weight from its integers, of which every block has a scale of its own.

    Args:
        data: Any shape.
        scale: Of as many dimensions, each of which divides that of `data`: so many blocks lie along it.
        offset: The integer of 0, of the shape of `scale`; 0 if left out.

    Raises:
        ValueError: `scale` does not divide `data` into blocks.
    """
    if scale.ndim != data.ndim or any(side % blocks for side, blocks in zip(data.shape, scale.shape, strict=True)):
        raise ValueError(f"scale {list(scale.shape)} does not divide {list(data.shape)} into blocks")
    integers = data if offset is None else data - _in_blocks(offset, data)
    return integers * _in_blocks(scale, data)


def _along(values: Tensor | float, axis: int | None, tensor: Tensor) -> Tensor | float:
    """One value per slice along `axis`, ready to be broadcast; a single one as it is."""
    if not isinstance(values, Tensor) or axis is None:
        return values
    shape = [1] * tensor.ndim
    shape[axis] = -1
    return values.reshape(shape)


def _in_blocks(values: Tensor, data: Tensor) -> Tensor:
    """One value per block, repeated over it."""
    for axis, side in enumerate(data.shape):
        values = values.repeat_interleave(side // values.shape[axis], dim=axis)
    return values
