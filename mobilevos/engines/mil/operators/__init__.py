"""MIL operators in PyTorch, by family: those that the exported components are made of.

An operator is a function whose arguments are named as in MIL. It takes and gives float32; the interpreter rounds.
What it does not cover of MIL's definition it refuses with ValueError.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from mobilevos.engines.mil.operators.elementwise import add, cast, clip, mul, relu, sub
from mobilevos.engines.mil.operators.layout import concat, pad, reshape, transpose
from mobilevos.engines.mil.operators.linear import matmul, reduce_mean, softmax
from mobilevos.engines.mil.operators.quantized import (
    constexpr_affine_dequantize,
    constexpr_blockwise_shift_scale,
    dequantize,
    quantize,
)
from mobilevos.engines.mil.operators.spatial import conv, max_pool, upsample_bilinear
from mobilevos.engines.mil.operators.state import coreml_update_state, read_state

__all__ = ["OPERATORS"]

OPERATORS: dict[str, Callable[..., Tensor]] = {
    operator.__name__: operator
    for operator in (
        add,
        cast,
        clip,
        concat,
        constexpr_affine_dequantize,
        constexpr_blockwise_shift_scale,
        conv,
        coreml_update_state,
        dequantize,
        matmul,
        max_pool,
        mul,
        pad,
        quantize,
        read_state,
        reduce_mean,
        relu,
        reshape,
        softmax,
        sub,
        transpose,
        upsample_bilinear,
    )
}
"""Every operator that the interpreter implements, by MIL's name."""
