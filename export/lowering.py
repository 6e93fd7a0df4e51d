"""Lowering components to ExecuTorch programs for XNNPACK."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.fx import GraphModule

from export.components import example_inputs
from export.delegation import DelegationReport, delegation_report, record_refusals
from export.toolkit_noise import quiet_imports
from mobilevos.contract import Dimensions

__all__ = ["LOWERING_STAGES", "LoweredProgram", "lower"]

LOWERING_STAGES = 3
"""Calls of `advance` in `lower`."""


@dataclass(frozen=True)
class LoweredProgram:
    """All components in one program.

    Attributes:
        buffer: The `.pte`, one method per component. What two methods share is stored once.
        method_bytes: What each method alone would hold of weights and instructions, in bytes.
        operators: Where each component's operators landed.
    """

    buffer: bytes
    method_bytes: dict[str, int]
    operators: dict[str, DelegationReport]


def lower(
    components: dict[str, nn.Module],
    dimensions: Dimensions,
    advance: Callable[[str], None] = lambda stage: None,
) -> LoweredProgram:
    """Exports components and hands all that XNNPACK takes to it.

    Args:
        components: By name, as `build_components` gives them.
        dimensions: Fix every shape.
        advance: Called with a description when a stage begins, `LOWERING_STAGES` times.
    """
    quiet_imports()
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    generator = torch.Generator().manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ExecuTorch's, about its own use of PyTorch
        advance("exporting the components")
        programs = {
            name: torch.export.export(module, example_inputs(name, dimensions, generator))
            for name, module in components.items()
        }
        advance("lowering to XNNPACK")
        with record_refusals() as refusals:
            edge = to_edge_transform_and_lower(programs, partitioner=[XnnpackPartitioner()])
        graphs = {name: edge.exported_program(name).graph_module for name in components}
        advance("writing the program")
        return LoweredProgram(
            bytes(edge.to_executorch().buffer),
            {name: _delegated_bytes(graph) for name, graph in graphs.items()},
            {name: delegation_report(graph, refusals) for name, graph in graphs.items()},
        )


def _delegated_bytes(graph: GraphModule) -> int:
    """Instructions and weights of a graph's delegates."""
    total = 0
    for module in graph.children():
        if instructions := getattr(module, "processed_bytes", None):
            store: Any = module.named_data_store_output
            weights = store.buffers if store else []
            total += len(instructions) + sum(len(getattr(w, "buffer", w)) for w in weights)
    return total
