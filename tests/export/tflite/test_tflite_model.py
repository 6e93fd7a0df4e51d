"""Edits of a `.tflite`: the numbers stay, and what was edited is what was meant."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from export.checks.tflite_audit import audit
from export.tflite_model import (
    parse_model,
    serialize_model,
    signature_names,
    single_signature,
    with_delegable_products,
    with_half_weights,
)

Modules = dict[str, tuple[nn.Module, tuple[Tensor, ...]]]

pytestmark = pytest.mark.tflite

NAMES = ["once", "twice", "linear", "product", "gather"]


def run(model: bytes, name: str, tiny: Modules) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter

    given = {one: tensor.numpy() for one, tensor in zip("xy", tiny[name][1], strict=False)}
    return Interpreter(model_content=model).get_signature_runner(name)(**given)["result"]


def reference(name: str, tiny: Modules) -> np.ndarray:
    module, inputs = tiny[name]
    with torch.no_grad():
        return module(*inputs).numpy()


def test_signatures_keep_names_and_order(tiny_tflite: bytes) -> None:
    assert signature_names(tiny_tflite) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_signature_computes_what_its_module_computes(tiny_tflite: bytes, tiny_modules: Modules, name: str) -> None:
    np.testing.assert_allclose(run(tiny_tflite, name, tiny_modules), reference(name, tiny_modules), atol=1e-5)


def test_weights_that_signatures_share_are_stored_once(tiny_tflite: bytes) -> None:
    kernel = 4 * 32 * 32 * 9
    for model, size in ((tiny_tflite, kernel), (with_half_weights(tiny_tflite), kernel // 2)):
        once, twice = (len(single_signature(model, name)) for name in ("once", "twice"))
        assert min(once, twice) > size
        assert len(model) < once + twice


@pytest.mark.parametrize("name", NAMES)
def test_a_signature_alone_computes_the_same(tiny_tflite: bytes, tiny_modules: Modules, name: str) -> None:
    alone = single_signature(tiny_tflite, name)
    assert signature_names(alone) == [name]
    assert len(alone) < len(tiny_tflite)
    np.testing.assert_array_equal(run(alone, name, tiny_modules), run(tiny_tflite, name, tiny_modules))


def test_a_signature_that_is_not_there(tiny_tflite: bytes) -> None:
    with pytest.raises(KeyError, match="segment"):
        single_signature(tiny_tflite, "segment")


def test_products_of_two_activations_become_ones_that_the_delegate_takes(
    tiny_tflite: bytes, tiny_modules: Modules
) -> None:
    before, edited = tiny_tflite, with_delegable_products(tiny_tflite)
    assert [one.operator for one in audit(before)["product"].delegation.left] == ["FULLY_CONNECTED"]
    assert audit(edited)["product"].delegation.left == ()
    assert audit(edited)["product"].operators == {"BATCH_MATMUL": 1}
    assert audit(edited)["linear"].operators == audit(before)["linear"].operators == {"FULLY_CONNECTED": 1}
    for name in NAMES:
        np.testing.assert_allclose(run(edited, name, tiny_modules), reference(name, tiny_modules), atol=1e-5)


@pytest.mark.parametrize("name", ["once", "twice", "linear"])
def test_half_weights_are_the_weights_rounded_and_all_else_is_float32(
    tiny_tflite: bytes, tiny_modules: Modules, name: str
) -> None:
    rounded = nn.ModuleDict({name: module for name, (module, _) in tiny_modules.items()})
    kept = {key: tensor.clone() for key, tensor in rounded.state_dict().items()}
    rounded.load_state_dict({k: t.half().float() if k.endswith("weight") else t for k, t in kept.items()})
    try:
        expected = reference(name, tiny_modules)
    finally:
        rounded.load_state_dict(kept)
    half = with_half_weights(tiny_tflite)
    np.testing.assert_allclose(run(half, name, tiny_modules), expected, rtol=0, atol=1e-6)
    assert np.abs(expected - reference(name, tiny_modules)).max() > 1e-5
    assert audit(half)[name].tensor_types["FLOAT16"] > 0
    assert audit(half)[name].delegation.left == ()


def test_equal_arrays_are_stored_once_and_data_is_aligned(tiny_tflite: bytes, tiny_modules: Modules) -> None:
    parsed = parse_model(tiny_tflite)
    for graph in parsed.subgraphs:
        for tensor in graph.tensors:
            tensor.quantization.zeroPoint = np.zeros(1000, np.int64)
    model = serialize_model(parsed)
    assert len(model) < len(tiny_tflite) + 8 * 1000 + 100 * sum(len(graph.tensors) for graph in parsed.subgraphs)
    weight = tiny_modules["linear"][0].get_parameter("layers.0.weight").detach().numpy().tobytes()
    assert model.count(weight) == 1
    assert model.find(weight) % 16 == 0
    np.testing.assert_array_equal(run(model, "once", tiny_modules), run(tiny_tflite, "once", tiny_modules))
