"""Layers are told by their kernels: in any order, rounded, and never one for another."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from export.quantization.artefacts.found import Arithmetic, FoundConvolution, rounded, signed
from export.quantization.layers import Layer, find_layers
from mobilevos.quantization.ranges import Range


def layers(seed: int) -> list[Layer]:
    """Four of one shape, as in a network's repeated blocks, and one of another."""
    noise = np.random.default_rng(seed)
    kernels = [noise.normal(size=(8, 8, 1, 1)).astype(np.float32) for _ in range(4)]
    kernels.append(noise.normal(size=(8, 1, 3, 3)).astype(np.float32))
    return [Layer(f"layer.{index}", kernel) for index, kernel in enumerate(kernels)]


def found(layer: Layer) -> FoundConvolution:
    """Its kernel in 8 bits."""
    scale = np.abs(layer.kernel).max() / 127
    return FoundConvolution(layer.name, np.rint(layer.kernel / scale) * scale, Arithmetic.INT8, "int8")


@given(st.integers(0, 2**31), st.permutations(range(5)))
def test_each_layer_is_found_whatever_the_order(seed: int, order: list[int]) -> None:
    own = layers(seed)
    table = find_layers(own, [found(own[index]) for index in order])
    assert {name: one.tensor for name, one in table.items()} == {one.name: one.name for one in own}


def test_a_layer_whose_kernel_is_nowhere_is_not_found() -> None:
    own = layers(0)
    table = find_layers(own, [found(one) for one in own[1:]])
    assert set(table) == {one.name for one in own[1:]}


def test_a_kernel_with_other_numbers_is_another_layer() -> None:
    own = layers(0)
    changed = Layer("layer.0", own[0].kernel * np.linspace(0.5, 1.5, 8, dtype=np.float32)[:, None, None, None])
    assert find_layers(own[:1], [found(changed)]) == {}


def test_equal_kernels_are_given_to_one_layer_each() -> None:
    own = layers(0)
    twin = Layer("twin", own[0].kernel)
    assert set(find_layers([own[0], twin], [found(own[0]), found(own[0])])) == {"layer.0", "twin"}
    assert len(find_layers([own[0], twin], [found(own[0])])) == 1


@given(st.floats(1e-3, 10), st.integers(0, 255))
def test_unsigned_integers_hold_what_signed_ones_hold(scale: float, zero_point: int) -> None:
    held = signed(scale, zero_point, unsigned=True)
    assert (0 - zero_point) * scale == (-128 - held.zero_point) * held.scale


def test_numbers_beyond_a_range_are_its_ends() -> None:
    held = Range(0.5, -128)
    assert rounded(np.array([-3, 0.6, 1000], np.float32), held).tolist() == [0, 0.5, 127.5]
    assert rounded(np.array([0.6], np.float32), None).tolist() == [np.float32(0.6)]
