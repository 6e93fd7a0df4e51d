"""What the float network computes at every site: what a layer's loss is measured against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from mobilevos.engines.engine import Array

__all__ = ["float_activations"]


def float_activations(graph: fx.GraphModule, sites: Mapping[str, str], inputs: tuple[Array, ...]) -> dict[str, Array]:
    """Runs a component's float graph and notes each site's activation, its activation function included.

    Args:
        graph: Of `mobilevos.quantization.program.observe`. Its observers see nothing.
        sites: Of its nodes.
        inputs: The contract's.

    Returns:
        By site, float32 and in C order.
    """
    recorder = _Recorder(graph, sites)
    with torch.no_grad():
        recorder.run(*(torch.from_numpy(np.ascontiguousarray(one)) for one in inputs))
    return recorder.values


class _Recorder(fx.Interpreter):
    def __init__(self, graph: fx.GraphModule, sites: Mapping[str, str]) -> None:
        super().__init__(graph)
        self.values: dict[str, Array] = {}
        self._sites = sites

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """An observer: hands on what it is given."""
        return args[0]

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n.op in ("call_function", "placeholder") and n.name in self._sites and isinstance(result, Tensor):
            # A site's last node is the one that holds what is handed on.
            self.values[self._sites[n.name]] = np.ascontiguousarray(result.numpy())
        return result
