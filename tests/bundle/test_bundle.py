"""An open bundle says what it holds: sizes, artefacts, and their own tensors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from written_bundle import DIMENSIONS, PROGRAM, artefacts, rewrite, write_bundle

from export.bundle import BundleFacts, write_manifest
from mobilevos.bundle import Bundle, component_table
from mobilevos.contract import Dimensions, TensorSpec, signature
from mobilevos.errors import InputError
from mobilevos.model.variants import network_config


def test_an_open_bundle_says_what_it_holds(folder: Path) -> None:
    bundle = Bundle.open(folder)
    assert (bundle.target, bundle.precision, bundle.dimensions) == ("executorch", "fp32", DIMENSIONS)
    assert bundle.artefact("segment") == (folder / PROGRAM, "segment")
    assert bundle.manifest["model"]["variant"] == "mobilenet_v2"


def test_the_manifest_holds_the_contract(manifest: dict[str, Any]) -> None:
    for name, table in component_table(DIMENSIONS).items():
        assert manifest["components"][name].items() >= table.items()
    image = manifest["components"]["segment"]["inputs"][0]
    assert image == {"name": "image", "shape": [1, 3, 64, 96], "layout": "NCHW", "dtype": "float32"}
    assert list(manifest["files"]) == [PROGRAM]
    assert manifest["files"][PROGRAM]["bytes"] == 100


def test_the_sizes_of_a_bundle_are_whole_numbers_even_where_json_has_2_0(folder: Path) -> None:
    rewrite(folder, lambda m: m["memory"].update(frames=2.0))
    frames = Bundle.open(folder).dimensions.memory_frames
    assert (frames, type(frames)) == (2, int)


def test_a_bundle_of_one_object_is_told_from_one_of_three(tmp_path: Path) -> None:
    three = Dimensions(64, 96, 2, 3, 64, 96, (96, 32, 24))
    write_bundle(tmp_path, three)
    assert Bundle.open(tmp_path).dimensions == three


# An artefact's own tensors


def test_an_artefact_without_tensors_of_its_own_has_the_contracts(folder: Path) -> None:
    assert Bundle.open(folder).artefact_signature("decode") == signature("decode", DIMENSIONS)
    assert not Bundle.open(folder).dynamic_objects


def own_tensors(folder: Path, shape: tuple[int, ...], dtype: str = "float32") -> Bundle:
    """A bundle whose encoder calls its image `args_0`."""
    (folder / PROGRAM).write_bytes(b"x")
    components = artefacts(dynamic_objects=True)
    image = TensorSpec("args_0", shape, "NHWC", dtype)
    components["encode_query"] = replace(components["encode_query"], inputs=(image,), details={"opset": 18})
    network = network_config("mobilenet_v2")
    facts = BundleFacts("tflite", "fp32", network, DIMENSIONS, None, {}, {}, components, {"nhwc": True})
    write_manifest(folder, facts)
    return Bundle.open(folder)


def test_an_artefact_may_name_and_lay_out_tensors_its_own_way(tmp_path: Path) -> None:
    bundle = own_tensors(tmp_path, (1, 64, 96, 3))
    own = bundle.artefact_signature("encode_query")
    assert own.inputs == (TensorSpec("args_0", (1, 64, 96, 3), "NHWC"),)
    assert own.outputs == signature("encode_query", DIMENSIONS).outputs
    assert bundle.dynamic_objects
    assert bundle.manifest["options"] == {"nhwc": True}
    assert bundle.manifest["components"]["encode_query"]["details"] == {"opset": 18}


@pytest.mark.parametrize(
    ("shape", "dtype", "words"),
    [
        ((1, 64, 96, 4), "float32", "the artefact's inputs of encode_query are not those of the contract"),
        ((1, 64, 96, 3), "int64", "$.components.encode_query.artefact.inputs[0].dtype"),
    ],
)
def test_but_not_other_tensors(tmp_path: Path, shape: tuple[int, ...], dtype: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        own_tensors(tmp_path, shape, dtype)
    assert words in str(caught.value)
