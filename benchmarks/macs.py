"""Multiply-accumulate operations of a network's components, counted from the operators that PyTorch runs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mobilevos.contract import Dimensions
from mobilevos.model.components import build_components, example_inputs
from mobilevos.model.network import MemoryNetwork

__all__ = ["average_gmacs", "component_gmacs", "count_macs"]


def count_macs(module: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    """Multiply-accumulates of one forward pass: convolutions and matrix products.

    Upsampling, activations, additions and the softmax do not count, as in the literature's tables.
    """
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        module(*inputs)
    flops: int = counter.get_total_flops()
    return flops // 2


def component_gmacs(network: MemoryNetwork, dimensions: Dimensions) -> dict[str, float]:
    """Each component's multiply-accumulates in units of 1e9, in the contract's order."""
    generator = torch.Generator().manual_seed(0)
    return {
        name: count_macs(module, example_inputs(name, dimensions, generator)) / 1e9
        for name, module in build_components(network).items()
    }


def average_gmacs(gmacs: dict[str, float], memory_every: int) -> float:
    """Of one frame of a long clip: every frame is segmented, every `memory_every`-th is memorised."""
    return gmacs["segment"] + gmacs["encode_memory"] / memory_every
