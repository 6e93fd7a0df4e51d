"""The operators of quantized programs: those that are meant to run in integers, and no others."""

from __future__ import annotations

from collections import Counter

import pytest

from export.quantization.operators import reference_operators
from mobilevos.contract import Dimensions
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.program import QuantizedNetwork, quantize
from mobilevos.quantization.ranges import Range
from mobilevos.quantization.sites import operator_of
from mobilevos.quantization.specification import Observer, Specification

pytestmark = pytest.mark.executorch


@pytest.mark.parametrize("component", ["encode_query", "encode_memory", "decode", "segment"])
def test_every_convolution_and_addition_of_a_layer_is_one(quantized_student: QuantizedNetwork, component: str) -> None:
    found = reference_operators(quantized_student, component)
    nodes = quantized_student.programs[component].graph.nodes
    convolutions = [one for one in found if one.operator == "conv2d"]
    assert len(convolutions) == sum(operator_of(node) == "conv2d" for node in nodes)
    assert all(one.integer and len(one.inputs) == 1 for one in convolutions)
    additions = [one for one in found if one.operator == "add" and one.output != "readout"]
    assert additions
    assert all(one.integer and len(one.inputs) == 2 for one in additions)


def test_the_memory_read_has_none(quantized_student: QuantizedNetwork) -> None:
    assert not any(one.integer for one in reference_operators(quantized_student, "read_memory"))
    products = [one for one in reference_operators(quantized_student, "segment") if one.operator == "bmm"]
    assert [one.integer for one in products] == [False, False]


def test_upsampling_between_rounded_activations_stays_in_float(quantized_student: QuantizedNetwork) -> None:
    upsampled = [
        one for one in reference_operators(quantized_student, "decode") if one.operator == "upsample_bilinear2d"
    ]
    assert [one.inputs for one in upsampled] == [("decoder.to8.0",), ("decoder.to4.0",), ("decoder.head",)]
    assert not any(one.integer for one in upsampled)


def test_a_clamp_belongs_to_what_it_follows(quantized_student: QuantizedNetwork) -> None:
    count = Counter(one.operator for one in reference_operators(quantized_student, "encode_query"))
    assert "hardtanh" not in count
    assert "relu" not in count


def test_a_layer_kept_in_float_has_none(
    student: MemoryNetwork, small_dimensions: Dimensions, student_ranges: dict[str, Range]
) -> None:
    kept = Specification(Observer.MINMAX, ("decoder.head",))
    quantized = quantize(student, small_dimensions, kept, student_ranges, ("decode",))
    in_float = [one.output for one in reference_operators(quantized, "decode") if not one.integer]
    assert [site for site in in_float if "upsample" not in site] == ["decoder.head"]
