"""ONNX files: one opset, one free dimension, and nothing in them but the network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from export.onnx import FREE_DIMENSION, OPSET
from mobilevos.bundle import Bundle
from mobilevos.contract import COMPONENTS, Dimensions, signature

pytestmark = pytest.mark.onnx

BundleOf = Callable[[str], Path]


@pytest.fixture(scope="module")
def bundle(bundle_of: BundleOf) -> Bundle:
    return Bundle.open(bundle_of("onnx"))


@pytest.fixture(scope="module")
def models(bundle: Bundle) -> dict[str, Any]:
    import onnx

    return {name: onnx.load(bundle.artefact(name)[0]) for name in COMPONENTS}


def test_the_opset_is_the_pinned_one_and_no_other_domain_is_used(models: dict[str, Any], bundle: Bundle) -> None:
    for name, model in models.items():
        assert {(one.domain, one.version) for one in model.opset_import} == {("", OPSET)}
        assert bundle.manifest["components"][name]["details"]["opset"] == OPSET


@pytest.mark.parametrize("component", COMPONENTS)
def test_tensors_are_the_contracts_with_the_number_of_objects_free(models: dict[str, Any], component: str) -> None:
    for objects in (1, 5):
        specs = signature(component, Dimensions(64, 96, 2, objects, 64, 96, (96, 32, 24)))
        graph = models[component].graph
        for value, spec in zip((*graph.input, *graph.output), (*specs.inputs, *specs.outputs), strict=True):
            sides = value.type.tensor_type.shape.dim
            assert value.name == spec.name
            assert [one.dim_value or objects for one in sides] == list(spec.shape)
            assert {one.dim_param for one in sides} <= {"", FREE_DIMENSION}


def test_the_manifest_counts_the_operators_that_the_file_holds(models: dict[str, Any], bundle: Bundle) -> None:
    for name, model in models.items():
        entry = bundle.manifest["components"][name]
        assert sum(entry["details"]["operators"].values()) == len(model.graph.node)
        assert entry["operators"]["delegated"] + entry["operators"]["plumbing"] == len(model.graph.node)
        assert entry["dynamic_objects"]


def test_the_memory_read_is_two_products_and_a_softmax_over_the_last_dimension(models: dict[str, Any]) -> None:
    nodes = models["read_memory"].graph.node
    kinds = [node.op_type for node in nodes]
    assert (kinds.count("MatMul"), kinds.count("Softmax")) == (2, 1)
    (softmax,) = (node for node in nodes if node.op_type == "Softmax")
    assert [one.i for one in softmax.attribute if one.name == "axis"] in ([2], [-1])
    assert not {"TopK", "ScatterElements", "Expand", "Tile"} & set(kinds)


def test_the_files_hold_no_notes_of_the_exporter(models: dict[str, Any]) -> None:
    for model in models.values():
        assert not model.metadata_props
        assert not any(node.metadata_props for node in model.graph.node)
