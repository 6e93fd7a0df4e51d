"""Keeping XNNPACK's programs small: a bias' scales are not stored beside its kernel's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

__all__ = ["shared_bias_scales"]


@contextmanager
def shared_bias_scales() -> Iterator[None]:
    """While a program is lowered, each int32 bias names the stored scales of its kernel in its own scales' place.

    XNNPACK adds a bias to sums that have its scale, which is the kernel's times the input's; it computes that product
    itself, and of a bias' own scales asks only that they are valid. What a program computes stays the same to the bit,
    and each channel takes 4 of 12 bytes less beside its weights.
    """
    from executorch.backends.xnnpack.operators.node_visitor import NodeVisitor

    original = NodeVisitor.get_quant_params
    kernel: Any = None  # the last one's stored scales: a layer's kernel is written before its bias

    def get_quant_params(self: Any, quant_params: Any, xnn_graph: Any, external_tag: str | None = None) -> Any:
        nonlocal kernel
        if not quant_params.per_channel:
            return original(self, quant_params, xnn_graph, external_tag)
        if quant_params.dtype != torch.int32:
            kernel = original(self, quant_params, xnn_graph, external_tag)
            return kernel
        assert kernel.num_scales == quant_params.scale.numel()
        return replace(kernel, channel_dim=quant_params.axis)

    NodeVisitor.get_quant_params = get_quant_params
    try:
        yield
    finally:
        NodeVisitor.get_quant_params = original
