"""Core ML packages: the options change what they should and nothing else, and the same network gives the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from export.activations import record_activations
from export.coreml import MULTIFUNCTION, DeploymentTarget, Options, build, compute_units
from export.pipeline import export_bundle
from export.targets import TARGETS, BuildRequest
from mobilevos.bundle import Bundle
from mobilevos.contract import COMPONENTS, Dimensions
from mobilevos.engines.coreml import CoreMLEngine
from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.mil import read_functions
from mobilevos.errors import InputError
from mobilevos.model.checkpoint import load_network
from mobilevos.weights import default_checkpoint

pytestmark = pytest.mark.coreml


@pytest.fixture(scope="module")
def half_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The shipped student in float16 for iOS 18, with images for frames."""
    network = load_network(default_checkpoint())
    output = tmp_path_factory.mktemp("coreml") / "half"
    options = Options(DeploymentTarget.IOS18, image_input=True)
    export_bundle(
        TARGETS["coreml"], network, network.dimensions(64, 96, 2, 1), output, precision="fp16", options=options
    )
    return Bundle.open(output)


@pytest.mark.slow
def test_one_package_holds_a_function_for_each_component(half_bundle: Bundle) -> None:
    package = half_bundle.folder / MULTIFUNCTION
    assert [path.name for path in half_bundle.folder.glob("*.mlpackage")] == [package.name]
    assert set(read_functions(package)) == set(COMPONENTS)
    shared = sum(path.stat().st_size for path in package.rglob("*") if path.is_file())
    components = half_bundle.manifest["components"]
    assert shared < 0.8 * sum(component["size_bytes"] for component in components.values())


@pytest.mark.slow
def test_the_shipped_student_passes_the_gate_of_float16(half_bundle: Bundle) -> None:
    for name, component in half_bundle.manifest["components"].items():
        assert component["parity"]["sqnr_db"] >= 50, name


@pytest.mark.slow
def test_all_but_the_stem_computes_in_float16_and_the_boundary_is_float32(half_bundle: Bundle) -> None:
    for name, function in read_functions(half_bundle.folder / MULTIFUNCTION).items():
        assert {tensor.dtype for tensor in (*function.inputs, *function.outputs)} == {torch.float32}, name
        outputs = {tensor.name for tensor in function.outputs}
        single = [one for one in function.operations if one.output.dtype == torch.float32]
        inner = [one.operator for one in single if one.output.name not in outputs]
        has_stem = name in ("encode_query", "segment")
        assert inner == (["mul", "sub", "mul", "conv", "clip", "conv", "clip"] if has_stem else []), name
        weights = [function.constants[one.operands["weight"]] for one in function.operations if one.operator == "conv"]
        assert [weight.dtype for weight in weights[:2]] == [torch.float32 if has_stem else torch.float16] * len(
            weights[:2]
        )
        assert {weight.dtype for weight in weights[2:]} <= {torch.float16}


@pytest.mark.slow
def test_an_image_is_taken_as_whole_levels(half_bundle: Bundle) -> None:
    images = {
        tensor.name: tensor.image
        for function in read_functions(half_bundle.folder / MULTIFUNCTION).values()
        for tensor in function.inputs
    }
    assert [name for name, image in images.items() if image] == ["image"]
    engine = CoreMLEngine(half_bundle)
    levels = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 96)).astype(np.float32)
    whole = engine.encode_query(levels / 255).key
    np.testing.assert_array_equal(engine.encode_query((levels + np.float32(0.4)).clip(0, 255) / 255).key, whole)
    assert np.abs(engine.encode_query((255 - levels) / 255).key - whole).max() > 0.1


@pytest.mark.slow
def test_the_manifest_names_compute_units(half_bundle: Bundle) -> None:
    details = {name: component["details"] for name, component in half_bundle.manifest["components"].items()}
    assert {name: one["compute_units"] for name, one in details.items()} == {
        name: "all" if name == "read_memory" else "cpuAndNeuralEngine" for name in COMPONENTS
    }
    assert {one["deployment_target"] for one in details.values()} == {"iOS18"}
    assert half_bundle.manifest["options"] == {
        "deployment_target": "iOS18",
        "image_input": True,
        "weights_only": False,
        "state": False,
    }


def test_float32_is_not_given_to_the_neural_engine() -> None:
    assert {compute_units(name, "fp32") for name in COMPONENTS} == {"cpuAndGPU"}


# One small component, built alone


class Projection(nn.Module):
    """In place of the memory read, of its shapes, with weights."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(64, 96, 1)

    def forward(self, key: torch.Tensor, memory_keys: torch.Tensor, memory_values: torch.Tensor) -> torch.Tensor:
        return self.convolution(key) + memory_values.mean((0, 1)).reshape(1, -1, 1, 1) + memory_keys.mean()


@pytest.fixture(scope="module")
def request_of(random_checkpoint: Path) -> Any:
    network = load_network(random_checkpoint)
    dimensions: Dimensions = network.dimensions(64, 96, 2, 1)
    activations = record_activations(EagerEngine(network), dimensions)

    def request(module: nn.Module, precision: str = "fp32") -> BuildRequest[Options]:
        return BuildRequest({"read_memory": module}, dimensions, precision, activations, Options())

    return request


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_network_gives_the_same_bytes(request_of: Any, tmp_path: Path) -> None:
    module = Projection().eval()
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        build(request_of(module), tmp_path / name, lambda stage: None)
    first = files(tmp_path / "first")
    assert first == files(tmp_path / "second")
    assert sorted(first) == [
        "read_memory.mlpackage/Data/com.apple.CoreML/model.mlmodel",
        "read_memory.mlpackage/Data/com.apple.CoreML/weights/weight.bin",
        "read_memory.mlpackage/Manifest.json",
    ]
    manifest = json.loads(first["read_memory.mlpackage/Manifest.json"])
    assert manifest["rootModelIdentifier"] in manifest["itemInfoEntries"]


class Unknown(Projection):
    """With an operator that Core ML Tools does not know."""

    def forward(self, key: torch.Tensor, memory_keys: torch.Tensor, memory_values: torch.Tensor) -> torch.Tensor:
        return torch.linalg.pinv(key).mean() + super().forward(key, memory_keys, memory_values)


def test_what_cannot_be_converted_is_one_line(
    request_of: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="Core ML Tools cannot convert read_memory; found ") as caught:
        build(request_of(Unknown().eval()), tmp_path, lambda stage: None)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
