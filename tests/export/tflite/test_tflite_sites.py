"""A converted graph is matched with the network by what flows into what, and by kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor, nn

from export.quantization.operators import ReferenceOperator
from export.tflite_model import operator_kind, parse_model, signature_graphs
from export.tflite_sites import MatchedGraph, as_stored, match_graph

pytestmark = pytest.mark.tflite

Modules = dict[str, tuple[nn.Module, tuple[Tensor, ...]]]

FIRST = ReferenceOperator("conv2d", ("x",), "first", integer=True)
SECOND = ReferenceOperator("conv2d", ("first",), "second", integer=True)


def match(model: bytes, *reference: ReferenceOperator, kernels: dict[str, NDArray[np.float32]]) -> MatchedGraph:
    graph, inputs = signature_graphs(parse_model(model))["twice"]
    return match_graph(parse_model(model), graph, {inputs["x"]: "x"}, reference, kernels)


def kinds(model: bytes, indices: Any) -> list[str]:
    graph, _ = signature_graphs(parse_model(model))["twice"]
    return [operator_kind(parse_model(model), graph.operators[index]) for index in sorted(indices)]


@pytest.fixture
def kernel(tiny_modules: Modules) -> NDArray[np.float32]:
    return tiny_modules["twice"][0].get_parameter("layers.0.weight").detach().numpy()


def test_layers_of_one_kernel_are_told_apart_by_what_they_take(tiny_tflite: bytes, kernel: NDArray[np.float32]) -> None:
    found = match(tiny_tflite, SECOND, FIRST, kernels={"first": kernel, "second": kernel})
    assert [found.layers[index] for index in sorted(found.layers)] == ["first", "second"]
    assert found.missing == []
    assert set(found.sites.values()) == {"x", "first", "second"}


def test_what_only_moves_runs_in_integers_beside_them(tiny_tflite: bytes, kernel: NDArray[np.float32]) -> None:
    found = match(tiny_tflite, FIRST, SECOND, kernels={"first": kernel, "second": kernel})
    assert kinds(tiny_tflite, found.integer) == ["TRANSPOSE", "CONV_2D", "CONV_2D", "TRANSPOSE"]


def test_beside_a_layer_in_float_it_does_not(tiny_tflite: bytes, kernel: NDArray[np.float32]) -> None:
    in_float = ReferenceOperator("conv2d", ("first",), "second", integer=False)
    found = match(tiny_tflite, FIRST, in_float, kernels={"first": kernel, "second": kernel})
    assert kinds(tiny_tflite, found.integer) == ["TRANSPOSE", "CONV_2D"]
    assert found.missing == []


def test_a_layer_with_another_kernel_or_input_is_missing(tiny_tflite: bytes, kernel: NDArray[np.float32]) -> None:
    found = match(tiny_tflite, FIRST, SECOND, kernels={"first": kernel, "second": 2 * kernel})
    assert found.missing == ["second"]
    elsewhere = ReferenceOperator("conv2d", ("y",), "first", integer=True)
    found = match(tiny_tflite, elsewhere, SECOND, kernels={"first": kernel, "second": kernel})
    assert found.missing == ["first", "second"]


def test_kernels_lie_channels_last() -> None:
    kernel = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    assert as_stored(kernel, "CONV_2D").shape == (2, 4, 5, 3)
    assert as_stored(kernel[:, :1], "DEPTHWISE_CONV_2D").shape == (1, 4, 5, 2)
