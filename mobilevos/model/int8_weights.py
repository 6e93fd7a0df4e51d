"""A network's weights as int8 keeps them: kernels in 8 bits, with a scale per channel, batch norm folded away.

What is stored and read back folds and rounds to the same integers again, so it is lossless for a network in int8, and
a quarter of the size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mobilevos.errors import InputError
from mobilevos.model.folding import fold_batch_norm, folding_pairs
from mobilevos.model.network import MemoryNetwork

__all__ = ["int8_kernel", "int8_weights", "kernel_scale", "state_from_int8_weights", "with_int8_kernels"]

LARGEST = 127
"""Of a kernel's integers. -128 is left out, as XNNPACK and TFLite want it."""


def kernel_scale(kernel: Tensor) -> Tensor:
    """The scale of each output channel of a kernel `[Cout, ...]`, float32 `[Cout]`, above 0."""
    return (kernel.flatten(1).abs().amax(1) / LARGEST).clamp(min=torch.finfo(torch.float32).eps)


def int8_kernel(kernel: Tensor, scale: Tensor) -> Tensor:
    """The kernel's integers, int8 of its shape."""
    inverse = (1 / scale).view(-1, *[1] * (kernel.dim() - 1))  # as PyTorch's own rounding multiplies
    return torch.round(kernel * inverse).clamp(-LARGEST, LARGEST).to(torch.int8)


@torch.no_grad()
def int8_weights(network: MemoryNetwork) -> dict[str, Tensor]:
    """Of every convolution: `kernel` int8, `scale` and `bias` float32, by its path."""
    weights = {}
    for path, module in fold_batch_norm(network).named_modules():
        if isinstance(module, nn.Conv2d):
            scale = kernel_scale(module.weight)
            weights[f"{path}.kernel"] = int8_kernel(module.weight, scale)
            weights[f"{path}.scale"] = scale
            weights[f"{path}.bias"] = torch.zeros_like(scale) if module.bias is None else module.bias
    return weights


@torch.no_grad()
def with_int8_kernels(network: MemoryNetwork) -> MemoryNetwork:
    """A copy without batch norm whose kernels are what 8 bits hold of them; it computes in float.

    Args:
        network: Left as it is.
    """
    rounded = fold_batch_norm(network)
    for module in rounded.modules():
        if isinstance(module, nn.Conv2d):
            scale = kernel_scale(module.weight)
            real = int8_kernel(module.weight, scale).float() * scale.view(-1, 1, 1, 1)
            module.weight.copy_(real)
    return rounded


def state_from_int8_weights(network: MemoryNetwork, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state of a network that folds to these weights: its batch norms only add the bias.

    Args:
        network: Fresh, of the right configuration.
        weights: From `int8_weights`.

    Raises:
        InputError: A tensor is missing or of another shape, or none of the network's.
    """
    state, left = dict(network.state_dict()), dict(weights)
    norms = dict(folding_pairs(network))
    for path, module in network.named_modules():
        if not isinstance(module, nn.Conv2d):
            continue
        kernel, scale, bias = (_take(left, f"{path}.{name}") for name in ("kernel", "scale", "bias"))
        if kernel.dtype != torch.int8 or kernel.shape != module.weight.shape or scale.shape != bias.shape:
            raise InputError(
                f"the int8 weights do not fit the network: {path}", expected=f"{list(module.weight.shape)}"
            )
        state[f"{path}.weight"] = kernel.float() * scale.float().view(-1, 1, 1, 1)
        if path not in norms:
            state[f"{path}.bias"] = bias
            continue
        norm = network.get_submodule(norms[path])
        assert isinstance(norm, nn.BatchNorm2d)
        ones = torch.ones_like(scale)
        # A variance that gives exactly 1 with the norm's epsilon, in float32.
        neutral = {"weight": ones, "bias": bias, "running_mean": 0 * ones, "running_var": ones - norm.eps}
        state |= {f"{norms[path]}.{name}": tensor for name, tensor in neutral.items()}
    if left:
        raise InputError("the int8 weights do not fit the network", found=f"a tensor {next(iter(left))} too many")
    return state


def _take(weights: dict[str, Tensor], name: str) -> Tensor:
    if name not in weights:
        raise InputError("the int8 weights do not fit the network", expected=f"a tensor {name}")
    return weights.pop(name)
