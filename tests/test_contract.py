"""The contract: shapes fit together, and what one program takes another one or the caller gives."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevos.contract import (
    COMPONENTS,
    EMPTY_BIAS,
    OPTIONAL_COMPONENTS,
    STATEFUL_STEP,
    STRIDE,
    Dimensions,
    TensorSpec,
    signature,
    signatures,
)

# What the caller makes itself; every other input must be some component's output.
FROM_THE_CALLER = {"image", "masks", "others", "memory_keys", "memory_values", "write"}

dimensions = st.builds(
    Dimensions,
    height=st.integers(1, 70).map(lambda n: n * STRIDE),
    width=st.integers(1, 70).map(lambda n: n * STRIDE),
    memory_frames=st.integers(1, 8),
    objects=st.integers(1, 10),
    key_channels=st.integers(1, 128),
    value_channels=st.integers(1, 512),
    feature_channels=st.tuples(st.integers(1, 512), st.integers(1, 256), st.integers(1, 128)),
)

EXAMPLE = Dimensions(
    height=480,
    width=864,
    memory_frames=2,
    objects=3,
    key_channels=64,
    value_channels=128,
    feature_channels=(96, 32, 24),
)


def specs(d: Dimensions) -> list[TensorSpec]:
    every = (signature(name, d) for name in (*COMPONENTS, *OPTIONAL_COMPONENTS))
    return [spec for s in every for spec in (*s.inputs, *s.outputs)]


def outputs(component: str, d: Dimensions) -> dict[str, TensorSpec]:
    return {spec.name: spec for spec in signature(component, d).outputs}


def test_every_component_has_a_signature_and_they_come_in_order() -> None:
    assert tuple(signatures(EXAMPLE)) == COMPONENTS
    assert all(signature(name, EXAMPLE).component == name for name in COMPONENTS)


def test_the_shapes_of_an_example() -> None:
    shapes = {spec.name: spec.shape for spec in specs(EXAMPLE)}
    assert shapes == {
        "image": (1, 3, 480, 864),
        "key": (1, 64, 30, 54),
        "feature16": (1, 96, 30, 54),
        "feature8": (1, 32, 60, 108),
        "feature4": (1, 24, 120, 216),
        "masks": (3, 1, 480, 864),
        "others": (3, 1, 480, 864),
        "memory_key": (1620, 65),
        "memory_value": (3, 1620, 128),
        "memory_keys": (3240, 65),
        "memory_values": (3, 3240, 128),
        "readout": (3, 128, 30, 54),
        "logits": (3, 1, 480, 864),
        "write": (2,),
    }
    assert {spec.name: spec.shape for spec in signature(STATEFUL_STEP, EXAMPLE).states} == {
        "bank_keys": (2, 1620, 65),
        "bank_values": (3, 2, 1620, 128),
        "bank_filled": (2,),
    }


@given(dimensions)
def test_a_name_means_the_same_tensor_in_every_component(d: Dimensions) -> None:
    by_name: dict[str, TensorSpec] = {}
    for spec in specs(d):
        assert by_name.setdefault(spec.name, spec) == spec


@given(dimensions)
def test_every_dimension_is_positive_and_has_a_letter_in_the_layout(d: Dimensions) -> None:
    for spec in specs(d):
        assert len(spec.shape) == len(spec.layout)
        assert min(spec.shape) >= 1


@given(dimensions)
def test_the_bank_holds_the_rows_of_memory_frames_frames(d: Dimensions) -> None:
    rows, bank = outputs("encode_memory", d), {spec.name: spec for spec in signature("read_memory", d).inputs}
    rows_k, row_channels = rows["memory_key"].shape
    assert bank["memory_keys"].shape == (d.memory_frames * rows_k, row_channels)
    objects, rows_v, value_channels = rows["memory_value"].shape
    assert bank["memory_values"].shape == (objects, d.memory_frames * rows_v, value_channels)
    assert rows_k == rows_v == d.positions


@given(dimensions)
def test_a_state_holds_the_bank_with_a_slot_for_each_frame(d: Dimensions) -> None:
    bank = {spec.name: spec.shape for spec in signature("segment", d).inputs}
    states = {spec.name: spec for spec in signature(STATEFUL_STEP, d).states}
    frames, rows, channels = states["bank_keys"].shape
    assert (frames * rows, channels) == bank["memory_keys"]
    objects, frames, rows, channels = states["bank_values"].shape
    assert (objects, frames * rows, channels) == bank["memory_values"]
    assert states["bank_filled"].shape == (frames,)
    assert {spec.dtype for spec in states.values()} == {"float16"}


def test_only_optional_components_have_states() -> None:
    assert not any(one.states for one in signatures(EXAMPLE).values())
    assert all(signature(name, EXAMPLE).states for name in OPTIONAL_COMPONENTS)
    assert not set(COMPONENTS) & set(OPTIONAL_COMPONENTS)


def test_the_stateful_step_takes_the_rows_of_a_frame_for_the_bank_and_gives_the_same() -> None:
    stateful, fused = signature(STATEFUL_STEP, EXAMPLE), signature("segment", EXAMPLE)
    assert stateful.outputs == fused.outputs
    image, *rows, _ = stateful.inputs
    assert (image, tuple(rows)) == (fused.inputs[0], signature("encode_memory", EXAMPLE).outputs)


@pytest.mark.parametrize("component", [*COMPONENTS, *OPTIONAL_COMPONENTS])
def test_every_input_comes_from_the_caller_or_from_another_component(component: str) -> None:
    produced = {name for other in COMPONENTS if other != component for name in outputs(other, EXAMPLE)}
    assert {spec.name for spec in signature(component, EXAMPLE).inputs} <= produced | FROM_THE_CALLER


@pytest.mark.parametrize("component", [*COMPONENTS, *OPTIONAL_COMPONENTS])
def test_no_component_names_a_tensor_twice(component: str) -> None:
    s = signature(component, EXAMPLE)
    names = [spec.name for spec in (*s.inputs, *s.outputs, *s.states)]
    assert len(set(names)) == len(names)


def test_the_fused_step_takes_what_its_parts_take_from_outside_and_gives_what_is_needed_to_memorise() -> None:
    parts = [signature(name, EXAMPLE) for name in ("encode_query", "read_memory", "decode")]
    made = {spec.name for part in parts for spec in part.outputs}
    taken = {spec.name for part in parts for spec in part.inputs} - made
    fused = signature("segment", EXAMPLE)
    assert {spec.name for spec in fused.inputs} == taken
    to_memorise = {spec.name for spec in signature("encode_memory", EXAMPLE).inputs} - FROM_THE_CALLER
    assert {spec.name for spec in fused.outputs} == to_memorise | {"logits"}


@pytest.mark.parametrize(("dtype", "itemsize"), [("float32", 4), ("float16", 2), ("int8", 1), ("uint8", 1)])
def test_nbytes_counts_every_element(dtype: str, itemsize: int) -> None:
    assert TensorSpec("x", (2, 3, 5), "NCH", dtype).nbytes == 30 * itemsize


def test_the_boundary_is_float32() -> None:
    assert {spec.dtype for spec in specs(EXAMPLE)} == {"float32"}


def test_the_empty_bias_is_finite_in_half_precision() -> None:
    assert -65504 < EMPTY_BIAS < -1000  # exp(-1000 + any affinity) is 0 even in float64's softmax


def test_a_contract_cannot_be_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        EXAMPLE.height = 16  # type: ignore[misc]
