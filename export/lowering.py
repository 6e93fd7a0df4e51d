"""Lowering components to ExecuTorch programs for XNNPACK."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.export import ExportedProgram

from export.components import example_inputs
from export.delegation import DelegationReport, delegation_report, record_refusals
from mobilevos.contract import Dimensions

__all__ = ["LoweredProgram", "lower"]


@dataclass(frozen=True)
class LoweredProgram:
    """All components in one program.

    Attributes:
        buffer: The `.pte`, one method per component; methods share weights.
        single: Each component alone as a `.pte`.
        operators: Where each component's operators landed.
    """

    buffer: bytes
    single: dict[str, bytes]
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
        advance: Called with a description when a stage begins, one for each component and one for the whole.
    """
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    programs: dict[str, ExportedProgram] = {}
    single: dict[str, bytes] = {}
    operators: dict[str, DelegationReport] = {}
    generator = torch.Generator().manual_seed(0)
    with _quiet():
        for name, module in components.items():
            advance(f"lowering {name}")
            programs[name] = torch.export.export(module, example_inputs(name, dimensions, generator))
            with record_refusals() as refusals:
                edge = to_edge_transform_and_lower({name: programs[name]}, partitioner=[XnnpackPartitioner()])
            operators[name] = delegation_report(edge.exported_program(name).graph_module, refusals)
            single[name] = bytes(edge.to_executorch().buffer)
        advance("joining the methods")
        whole = to_edge_transform_and_lower(programs, partitioner=[XnnpackPartitioner()])
        return LoweredProgram(bytes(whole.to_executorch().buffer), single, operators)


@contextmanager
def _quiet() -> Iterator[None]:
    """ExecuTorch warns about its own use of PyTorch; the user can do nothing about that."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
