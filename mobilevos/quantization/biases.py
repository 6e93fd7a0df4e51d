"""Biases of a quantized program as integer kernels hold them: in 32 bits, at the product of two scales."""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn

from mobilevos.quantization.sites import operator_of

__all__ = ["round_bias", "round_biases"]


def round_bias(bias: Tensor, input_scale: float, kernel_scale: Tensor) -> Tensor:
    """A bias `[Cout]` as the nearest whole multiples of both scales' product that 32 bits hold, in float32.

    Args:
        bias: Float32.
        input_scale: Of what the convolution takes.
        kernel_scale: Of each output channel, `[Cout]`.
    """
    scale = input_scale * kernel_scale.double()
    limits = torch.iinfo(torch.int32)
    return (torch.round(bias.double() / scale).clamp(limits.min, limits.max) * scale).float()


@torch.no_grad()
def round_biases(program: fx.GraphModule) -> None:
    """Rounds the bias of every convolution whose input and kernel are quantized.

    Half a step of a bias is a thousandth of a step of what the convolution gives. But it decides how one value in some
    thousands is rounded, and each layer that reads it turns that into more: without this, a runtime's integers and the
    program's part within a few layers, with it they are the same.

    Args:
        program: Converted; it is changed, and no module that it was exported from.
    """
    for node in program.graph.nodes:
        if operator_of(node) != "conv2d" or len(node.args) < 3 or node.args[2] is None:
            continue
        image, kernel, bias = node.args[:3]
        if operator_of(image) == "dequantize_per_tensor" and operator_of(kernel) == "dequantize_per_channel":
            scale = program.get_buffer(str(kernel.args[1].target))
            module, _, name = str(bias.target).rpartition(".")
            rounded = round_bias(program.get_parameter(str(bias.target)), float(image.args[1]), scale)
            setattr(program.get_submodule(module), name, nn.Parameter(rounded, requires_grad=False))
