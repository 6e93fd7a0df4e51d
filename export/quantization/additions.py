"""The additions that the specification quantizes, residual ones foremost, and which an artefact has in integers.

An addition holds no kernel to be told by. It is told by the range of what it makes, which every target is handed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from export.quantization.fidelity import rounded_node
from mobilevos.quantization.program import QuantizedNetwork
from mobilevos.quantization.ranges import Range
from mobilevos.quantization.sites import operator_of

__all__ = ["float_additions", "quantized_additions"]

_ADDITION = re.compile(r"(?P<layer>.*)/add\.\d+")
"""A site of one, its activation function included."""

_PRINTED = 5e-7
"""What six decimals, as flatc prints a scale of ExecuTorch's graphs, leave of it."""


def quantized_additions(quantized: QuantizedNetwork, component: str) -> dict[str, Range]:
    """The range of each addition of a component that the specification quantizes, by site.

    Args:
        quantized: The network in int8.
        component: Of the contract.
    """
    program, sites = quantized.programs[component], quantized.sites[component]
    rounded = (rounded_node(node) for node in program.graph.nodes if operator_of(node) == "quantize_per_tensor")
    computed = (node.name for node in rounded if node.op == "call_function")  # and not handed in by another component
    found = dict.fromkeys(sites[name] for name in computed if name in sites)
    # What is kept in float is rounded too, where the next layer reads it.
    return {
        site: quantized.ranges[site]
        for site in found
        if (told := _ADDITION.fullmatch(site)) and quantized.specification.float_part(told["layer"], "add") is None
    }


def float_additions(meant: Mapping[str, Range], found: Iterable[Range]) -> tuple[str, ...]:
    """Sites whose addition an artefact does not compute in integers.

    Args:
        meant: What the specification quantizes, by site.
        found: What the artefact's integer additions make.
    """
    left, missing = list(found), []
    for site, wanted in meant.items():
        alike = next((one for one in left if _same(wanted, one)), None)
        if alike is None:
            missing.append(site)
        else:
            left.remove(alike)
    return tuple(missing)


def _same(one: Range, other: Range) -> bool:
    return one.zero_point == other.zero_point and abs(one.scale - other.scale) <= 1e-4 * one.scale + _PRINTED
