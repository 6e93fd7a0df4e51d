"""Lowering components to ExecuTorch programs for a delegate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from export.delegation import delegation_report, record_refusals
from export.executorch_backends import BACKENDS, BackendName, quiet_lowering
from export.operators import OperatorReport
from export.targets import Advance
from export.xnnpack_scales import shared_bias_scales
from mobilevos.toolkit_noise import quiet_imports

__all__ = ["LoweredProgram", "lower"]


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
    operators: dict[str, OperatorReport]


def lower(
    components: Mapping[str, nn.Module],
    inputs: Mapping[str, tuple[Tensor, ...]],
    advance: Advance = lambda stage: None,
    backend: BackendName = BackendName.XNNPACK,
    precision: str = "fp32",
) -> LoweredProgram:
    """Exports components and hands all that a delegate takes to it.

    Args:
        components: By name, as `build_components` gives them.
        inputs: Of each component, whose shapes become the program's.
        advance: Called with a description when a stage begins, three times.
        backend: The delegate.
        precision: What a backend that casts is to compute in; any other computes as the components do.
    """
    quiet_imports()
    from executorch.exir import to_edge_transform_and_lower

    with quiet_lowering():
        advance("exporting the components")
        programs = {name: torch.export.export(module, inputs[name]) for name, module in components.items()}
        advance(f"lowering to {BACKENDS[backend].title}")
        partitioner = BACKENDS[backend].make_partitioner(precision)
        with record_refusals() as refusals, shared_bias_scales():
            edge = to_edge_transform_and_lower(programs, partitioner=[partitioner])
        graphs = {name: edge.exported_program(name).graph_module for name in components}
        advance("writing the program")
        return LoweredProgram(
            bytes(edge.to_executorch().buffer),
            {name: _delegated_bytes(graph) for name, graph in graphs.items()},
            {name: delegation_report(graph, refusals) for name, graph in graphs.items()},
        )


def _delegated_bytes(graph: GraphModule) -> int:
    """Instructions and weights of a graph's delegates. Core ML's hold one package, which counts for each method."""
    total = 0
    for module in graph.children():
        if instructions := getattr(module, "processed_bytes", None):
            store: Any = module.named_data_store_output
            weights = store.buffers if store else []
            total += len(instructions) + sum(len(getattr(w, "buffer", w)) for w in weights)
    return total
