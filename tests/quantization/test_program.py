"""Quantized programs: what is rounded in them, by which ranges, and what that costs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import fx

from export.activations import record_activations
from export.quantization.fidelity import component_differences
from mobilevos.contract import Dimensions
from mobilevos.data.synthetic import SyntheticClip
from mobilevos.engines.eager import EagerEngine
from mobilevos.errors import InputError
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.component_engine import ComponentEngine
from mobilevos.quantization.program import QuantizedNetwork, observe, quantize
from mobilevos.quantization.ranges import Range
from mobilevos.quantization.sites import operator_of
from mobilevos.quantization.specification import Observer, Specification
from mobilevos.tracking import Tracker

pytestmark = pytest.mark.executorch


def operators(program: fx.GraphModule) -> Counter[str]:
    return Counter(operator_of(node) for node in program.graph.nodes if node.op == "call_function")


def test_every_kernel_is_int8_with_a_scale_per_channel(quantized_student: QuantizedNetwork) -> None:
    for name in ("encode_query", "encode_memory", "decode", "segment"):
        kernels = [
            node
            for node in quantized_student.programs[name].graph.nodes
            if operator_of(node) == "dequantize_per_channel"
        ]
        assert len(kernels) == operators(quantized_student.programs[name])["conv2d"], name
        for node in kernels:
            kernel = getattr(quantized_student.programs[name], str(node.args[0].target))
            scale = getattr(quantized_student.programs[name], str(node.args[1].target))
            assert kernel.dtype == torch.int8
            assert scale.shape == kernel.shape[:1]
            # Each channel uses all of its integers, however small its weights are.
            assert (kernel.flatten(1).abs().amax(1) == 127).all(), name


def test_a_component_holds_nothing_that_is_not_used(student: MemoryNetwork, small_dimensions: Dimensions) -> None:
    """A dead operator would take the site of one that computes; weights of other components are work for nothing."""
    for name, one in observe(student, small_dimensions, Specification()).items():
        dead = [node for node in one.graph.graph.nodes if not node.users and node.op in ("call_function", "get_attr")]
        assert dead == [], name


def test_the_memory_read_stays_in_float(quantized_student: QuantizedNetwork) -> None:
    assert not any("quantize" in operator for operator in operators(quantized_student.programs["read_memory"]))
    for node in quantized_student.programs["segment"].graph.nodes:
        if operator_of(node) == "bmm":
            assert not any("quantize" in operator_of(given) for given in node.all_input_nodes)


def test_nothing_is_rounded_between_a_convolution_and_its_clamp(quantized_student: QuantizedNetwork) -> None:
    clamps = [
        node for node in quantized_student.programs["encode_query"].graph.nodes if operator_of(node) == "hardtanh"
    ]
    assert clamps
    for clamp in clamps:
        assert operator_of(clamp.args[0]) == "conv2d"
        (user,) = clamp.users
        assert operator_of(user) == "quantize_per_tensor"


def test_the_fused_step_has_the_ranges_of_its_components(
    student: MemoryNetwork, small_dimensions: Dimensions, student_ranges: dict[str, Range]
) -> None:
    names = ("segment", "encode_query", "decode")
    observed = observe(student, small_dimensions, Specification(Observer.MINMAX), names)
    apart = set(observed["encode_query"].observers) | set(observed["decode"].observers)
    assert set(observed["segment"].observers) == apart
    assert apart <= set(student_ranges)


def test_masks_have_the_range_that_the_contract_gives_them(student_ranges: dict[str, Range]) -> None:
    for site in ("masks", "others", "memory_encoder/cat.0"):
        assert student_ranges[site] == Range(pytest.approx(1 / 255), -128)  # type: ignore[arg-type]


def test_nothing_is_rounded_twice_and_all_by_its_sites_range(
    quantized_student: QuantizedNetwork, student_ranges: dict[str, Range]
) -> None:
    for name, program in quantized_student.programs.items():
        for node in program.graph.nodes:
            if operator_of(node) == "quantize_per_tensor":
                source, scale, zero_point = node.args[:3]
                assert operator_of(source) != "dequantize_per_tensor", name
                assert Range(scale, zero_point) == student_ranges[quantized_student.sites[name][source.name]]


def test_what_is_lost_is_noise(
    student: MemoryNetwork, small_dimensions: Dimensions, quantized_student: QuantizedNetwork
) -> None:
    activations = record_activations(EagerEngine(student), small_dimensions)
    differences = component_differences(quantized_student.programs, activations)
    assert differences["read_memory"].sqnr_db > 100
    for name in ("encode_query", "encode_memory", "decode", "segment"):
        assert 5 < differences[name].sqnr_db < 80, name  # a random network, on the frames of another clip


def test_a_layer_is_kept_in_float_on_request(
    student: MemoryNetwork, small_dimensions: Dimensions, student_ranges: dict[str, Range]
) -> None:
    kept = Specification(float_layers=("decoder.head",))
    (program,) = quantize(student, small_dimensions, kept, student_ranges, ("decode",)).programs.values()
    (head,) = (
        node
        for node in program.graph.nodes
        if str(node.meta.get("nn_module_stack")).count("decoder.head") and operator_of(node) == "conv2d"
    )
    assert operator_of(head.args[1]) != "dequantize_per_channel"
    assert operators(program)["dequantize_per_channel"] == operators(program)["conv2d"] - 1


def test_a_layer_without_a_range_is_named(student: MemoryNetwork, small_dimensions: Dimensions) -> None:
    with pytest.raises(InputError, match="has no range"):
        quantize(student, small_dimensions, Specification(), {"readout": Range(0.1, 0)}, ("decode",))


def test_quantized_programs_track_a_clip(quantized_student: QuantizedNetwork, small_dimensions: Dimensions) -> None:
    tracker = Tracker(ComponentEngine(quantized_student.programs, small_dimensions, "quantized"), memory_every=2)
    clip = SyntheticClip(0, 4, (32, 48), objects=2)
    for index, frame in enumerate(clip):
        result = tracker.step(frame, clip.mask(0) if index == 0 else None)
    assert result.probabilities.shape == (3, 32, 48)


def test_an_engine_over_programs_for_several_objects_is_refused(
    quantized_student: QuantizedNetwork, small_dimensions: Dimensions
) -> None:
    with pytest.raises(InputError, match="one object"):
        ComponentEngine(quantized_student.programs, replace(small_dimensions, objects=2), "quantized")
