"""Rounding a network's weights to float16 so that the errors of a kernel cancel."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

__all__ = ["round_kernel", "with_half_weights"]


def round_kernel(weight: Tensor) -> Tensor:
    """Rounds convolution kernels to values that float16 holds, each with the error of the one before carried on.

    Neighbouring pixels are alike, so what a kernel's rounding costs is, to first order, the sum of its errors times the
    local mean. Large taps are rounded first, and their error goes into smaller ones, whose steps are finer: the sum
    of the kernel is kept almost exactly. In a depthwise kernel that detects edges, whose taps are large and whose sum
    is small, this removes most of the noise, and it costs nothing on the device.

    Args:
        weight: Kernels `[Cout, Cin/groups, KH, KW]`, float32. One of a single tap is a row over its input channels.

    Returns:
        The same shape, float32, every value one of float16.
    """
    flat = weight.flatten(2) if weight[0, 0].numel() > 1 else weight.flatten(1)[:, None]
    order = flat.abs().argsort(dim=-1, descending=True)
    taps = flat.gather(-1, order)
    rounded = torch.empty_like(taps)
    error = torch.zeros_like(taps[..., 0])
    for index in range(taps.shape[-1]):
        wanted = taps[..., index] + error
        rounded[..., index] = wanted.half().float()
        error = wanted - rounded[..., index]
    return torch.empty_like(flat).scatter_(-1, order, rounded).reshape(weight.shape)


def with_half_weights(module: nn.Module) -> nn.Module:
    """A copy whose convolutions have kernels that float16 holds, still in float32; see `round_kernel`."""
    rounded = copy.deepcopy(module)
    for convolution in rounded.modules():
        if isinstance(convolution, nn.Conv2d):
            convolution.weight.data = round_kernel(convolution.weight.data)
    return rounded
