"""A component with some layers in float, interpreted, is the program that an export with them in float gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from export.activations import record_activations
from export.parity import compare
from export.quantization.layerwise import LayerwiseComponent
from mobilevos.contract import Dimensions
from mobilevos.engines.eager import EagerEngine
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.program import observe, quantize
from mobilevos.quantization.ranges import Range
from mobilevos.quantization.specification import Specification

pytestmark = pytest.mark.executorch

COMPONENTS = ("encode_query", "encode_memory", "decode")
KEPT = {
    "nothing": (),
    "a depthwise one, the ends and a stem": (
        "query_encoder.trunk.features.2.conv.1.0",
        "decoder.head",
        "memory_encoder.projection",
        "memory_encoder.stem.0",
    ),
    "two in a row": ("decoder.blocks8.0.depthwise.0", "decoder.blocks8.0.pointwise.0", "decoder.to8.0"),
}

Layerwise = dict[str, LayerwiseComponent]
Inputs = dict[str, tuple[torch.Tensor, ...]]


@pytest.fixture(scope="module")
def components(student: MemoryNetwork, small_dimensions: Dimensions, student_ranges: dict[str, Range]) -> Layerwise:
    observed = observe(student, small_dimensions, Specification(), COMPONENTS)
    return {name: LayerwiseComponent(one, Specification(), student_ranges) for name, one in observed.items()}


@pytest.fixture(scope="module")
def inputs(student: MemoryNetwork, small_dimensions: Dimensions) -> Inputs:
    recorded = record_activations(EagerEngine(student), small_dimensions)
    return {name: tuple(map(torch.from_numpy, recorded[name][0])) for name in COMPONENTS}


def sqnr_db(right: torch.Tensor, own: torch.Tensor) -> float:
    return compare(np.ascontiguousarray(right.numpy()), np.ascontiguousarray(own.numpy())).sqnr_db


@pytest.mark.parametrize("case", KEPT)
def test_it_computes_what_the_quantized_program_computes(
    case: str,
    components: Layerwise,
    inputs: Inputs,
    student: MemoryNetwork,
    small_dimensions: Dimensions,
    student_ranges: dict[str, Range],
) -> None:
    kept = KEPT[case]
    exported = quantize(student, small_dimensions, Specification(float_layers=kept), student_ranges, COMPONENTS)
    for name, component in components.items():
        with torch.no_grad():
            expected = exported.programs[name](*inputs[name])
        own = component.run(inputs[name], lambda layer: layer not in kept)
        for one, other in zip(expected if isinstance(expected, tuple) else (expected,), own, strict=True):
            assert sqnr_db(one, other) > 100, name


def test_in_float_it_computes_what_the_network_computes(
    components: Layerwise, inputs: Inputs, student: MemoryNetwork, small_dimensions: Dimensions
) -> None:
    recorded = record_activations(EagerEngine(student), small_dimensions)
    for name, component in components.items():
        for right, own in zip(recorded[name][1], component.run(inputs[name], lambda layer: False), strict=True):
            assert sqnr_db(torch.from_numpy(np.ascontiguousarray(right)), own) > 90


@pytest.mark.parametrize("int8", [True, False])
def test_one_by_one_is_the_same_as_each_by_itself(int8: bool, components: Layerwise, inputs: Inputs) -> None:
    for name in ("encode_memory", "decode"):
        component, seen = components[name], []
        for layer, own in component.one_by_one(inputs[name], int8=int8):
            expected = component.run(inputs[name], lambda one, layer=layer: (one == layer) == int8)
            assert all(torch.equal(a, b) for a, b in zip(expected, own, strict=True)), layer
            seen.append(layer)
        assert tuple(seen) == component.layers


def test_a_layer_in_int8_changes_the_outputs(components: Layerwise, inputs: Inputs) -> None:
    decode = components["decode"]
    (in_float,) = decode.run(inputs["decode"], lambda layer: False)
    for layer, (own,) in decode.one_by_one(inputs["decode"], int8=True):
        assert 10 < sqnr_db(in_float, own) < 100, layer
