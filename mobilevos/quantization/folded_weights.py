"""Batch norm folded into the convolution before it, with a gradient: what is quantized is what will be exported."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mobilevos.model.folding import folding_pairs
from mobilevos.model.network import MemoryNetwork

__all__ = ["folded_weights"]


def folded_weights(network: MemoryNetwork) -> dict[str, Tensor]:
    """The weights of `fold_batch_norm(network)` by their names there, as functions of the network's own.

    Batch norms count with their running statistics, which get no gradient.
    """
    weights: dict[str, Tensor] = dict(network.named_parameters())
    for convolution_name, norm_name in folding_pairs(network):
        convolution, norm = network.get_submodule(convolution_name), network.get_submodule(norm_name)
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        # In the order in which PyTorch's own folding multiplies, so that both give the same bits.
        inverse = torch.rsqrt(norm.running_var + norm.eps)
        bias = torch.zeros_like(norm.running_mean) if convolution.bias is None else convolution.bias
        weights[f"{convolution_name}.weight"] = convolution.weight * (norm.weight * inverse).view(-1, 1, 1, 1)
        weights[f"{convolution_name}.bias"] = (bias - norm.running_mean) * inverse * norm.weight + norm.bias
        del weights[f"{norm_name}.weight"], weights[f"{norm_name}.bias"]
    return weights
