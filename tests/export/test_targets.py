"""The table of formats agrees with the modules, engines, schema and extras that it names."""

from __future__ import annotations

import json
import tomllib
from dataclasses import MISSING, fields, is_dataclass, replace
from importlib.resources import files
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.activations import record_activations
from export.parity import GATES
from export.targets import TARGETS, BuildRequest, NoOptions, Target
from mobilevos.engines import BUNDLE_ENGINES, engine_class
from mobilevos.engines.eager import EagerEngine
from mobilevos.errors import InputError
from mobilevos.model.variants import build_network

each_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@pytest.fixture(scope="module")
def schema() -> Any:
    return json.loads((files("mobilevos") / "manifest.schema.json").read_text())["properties"]


@each_target
def test_a_target_is_a_module_with_options_and_build(target: Target) -> None:
    module = target.load()
    assert is_dataclass(module.Options)
    assert all(option.default is not MISSING for option in fields(module.Options))
    assert list(signature(module.build).parameters) == ["request", "folder", "advance"]


@each_target
def test_its_engine_runs_its_bundles(target: Target) -> None:
    assert engine_class(target.engine).runtime.target == target.name


@each_target
def test_its_precisions_have_a_gate_and_a_place_in_the_manifest(target: Target, schema: Any) -> None:
    assert "fp32" in target.precisions
    assert set(target.precisions) <= set(GATES)
    assert set(target.precisions) <= set(schema["precision"]["enum"])


@each_target
def test_its_extra_brings_its_packages(target: Target) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    if not target.packages:
        assert target.extra == ""
        return
    brought = " ".join(project["optional-dependencies"][target.extra])
    assert all(package in brought for package in target.packages.values())


def test_the_manifest_knows_every_target_and_no_other(schema: Any) -> None:
    assert sorted(schema["target"]["enum"]) == sorted(TARGETS)


def test_every_engine_of_bundles_has_a_target() -> None:
    assert {target.engine for target in TARGETS.values()} == set(BUNDLE_ENGINES)


def test_a_missing_toolkit_is_named_with_the_extra_that_brings_it() -> None:
    packages = {"json": "json", "no_such_package": "no-such-package"}
    target = replace(TARGETS["onnx"], packages=packages)
    assert target.missing == ("no-such-package",)
    with pytest.raises(InputError, match=r"ONNX is not installed; found no no-such-package; pip install .*\[onnx\]"):
        target.require_toolkit()


@pytest.fixture(scope="module")
def request_of_two() -> BuildRequest[NoOptions]:
    network = build_network("mobilenet_v2")
    dimensions = network.dimensions(32, 48, 2, 2)
    activations = record_activations(EagerEngine(network), dimensions)
    return BuildRequest({}, dimensions, "fp32", activations, NoOptions())


def test_inputs_are_the_recorded_ones_in_c_order_with_no_stride_of_zero(
    request_of_two: BuildRequest[NoOptions],
) -> None:
    for component, (inputs, _) in request_of_two.activations.items():
        for tensor, array in zip(request_of_two.inputs(component), inputs, strict=True):
            np.testing.assert_array_equal(tensor.numpy(), array)
            assert tensor.is_contiguous()
            assert min(tensor.stride()) >= 1
