"""A damaged or foreign package becomes one line: never a crash, never a path outside it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mobilevos.engines.mil import Interpreter, read_functions
from mobilevos.engines.mil.toolkit import import_coremltools
from mobilevos.errors import InputError

pytestmark = pytest.mark.coreml

MODEL = Path("Data/com.apple.CoreML/model.mlmodel")
WEIGHTS = Path("Data/com.apple.CoreML/weights/weight.bin")
X = torch.linspace(-1, 1, 60).reshape(1, 3, 4, 5)


@pytest.fixture(scope="module")
def saved(save: Callable[..., Any]) -> Any:
    """A convolution whose weights are large enough to lie in a file of their own."""
    weight = np.random.default_rng(0).standard_normal((8, 3, 3, 3), np.float32)

    def build(mb: Any, x: Any) -> Any:
        inner = mb.relu(x=mb.conv(x=x, weight=weight, pad_type="custom", pad=[1, 1, 1, 1]))
        return mb.matmul(x=mb.reshape(x=inner, shape=[1, 8, 20]), y=mb.reshape(x=inner, shape=[1, 20, 8]))

    return save(build, x=X)


@pytest.fixture
def package(saved: Any, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(saved.folder, tmp_path / "copy.mlpackage"))


def evaluate(package: Path) -> torch.Tensor:
    (output,) = Interpreter(read_functions(package)["main"], str(package))({"x": X}).values()
    return output


def refused(package: Path, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        evaluate(package)
    assert "\n" not in str(caught.value)


def edit_manifest(package: Path, change: Callable[[dict[str, Any]], object]) -> None:
    source = package / "Manifest.json"
    manifest = json.loads(source.read_text())
    change(manifest)
    source.write_text(json.dumps(manifest))


def edit_model(package: Path, change: Callable[[Any], object]) -> None:
    model = import_coremltools().proto.Model_pb2.Model.FromString((package / MODEL).read_bytes())
    change(model)
    (package / MODEL).write_bytes(model.SerializeToString())


def operations(model: Any) -> Any:
    (block,) = model.mlProgram.functions["main"].block_specializations.values()
    return block.operations


# Files


def test_a_sound_package_is_read(package: Path, saved: Any) -> None:
    assert torch.equal(evaluate(package), saved.run(x=X))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    refused(tmp_path / "none.mlpackage", "is not a Core ML package; expected a folder")


def test_a_file_in_place_of_the_folder(package: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", package)
    refused(Path(archive), "is not a Core ML package; expected a folder")


@pytest.mark.parametrize("name", ["Manifest.json", str(MODEL)])
def test_a_missing_file(package: Path, name: str) -> None:
    (package / name).unlink()
    refused(package, "cannot read .*No such file")


def test_missing_weights(package: Path) -> None:
    (package / WEIGHTS).unlink()
    refused(package, r"weight\.bin is missing")


@pytest.mark.parametrize("length", [0, 40, 63, 64, 100, 128, 500])
def test_truncated_weights(package: Path, length: int) -> None:
    (package / WEIGHTS).write_bytes((package / WEIGHTS).read_bytes()[:length])
    refused(package, "is not a sound program")


def test_weights_of_another_program(package: Path, save: Callable[..., Any]) -> None:
    weight = np.ones((8, 3, 5, 5), np.float32)
    other = save(lambda mb, x: mb.conv(x=x, weight=weight, pad_type="custom", pad=[2] * 4), x=X)
    shutil.copy(other.folder / WEIGHTS, package / WEIGHTS)
    refused(package, "is not a sound program")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_model(package: Path, share: float) -> None:
    content = (package / MODEL).read_bytes()
    (package / MODEL).write_bytes(content[: int(share * len(content))])
    refused(package, "is not a readable Core ML model|is not an ML program")


def test_a_model_of_another_kind(package: Path) -> None:
    edit_model(package, lambda model: model.neuralNetwork.layers.add())
    refused(package, "is not an ML program; expected mlProgram; found neuralNetwork")


# Paths


@pytest.mark.parametrize(
    "path", ["../../outside.mlmodel", "/etc/passwd", "..", "a\0b", "com.apple.CoreML\\model.mlmodel"]
)
@pytest.mark.parametrize("entry", ["model.mlmodel", "weights"])
def test_a_manifest_that_leads_outside(package: Path, path: str, entry: str) -> None:
    def change(manifest: dict[str, Any]) -> None:
        (found,) = (one for one in manifest["itemInfoEntries"].values() if one["name"] == entry)
        found["path"] = path

    edit_manifest(package, change)
    refused(package, "leaves its folder")


@pytest.mark.parametrize("name", [MODEL, WEIGHTS])
def test_a_link_that_leads_outside(package: Path, tmp_path: Path, name: Path) -> None:
    shutil.move(package / name, tmp_path / "outside")
    (package / name).symlink_to(tmp_path / "outside")
    refused(package, "leaves its folder")


@pytest.mark.parametrize(
    "name",
    ["@model_path/../../../outside.bin", "/etc/passwd", "weights/weight.bin", "@model_path/other/weight.bin", ""],
)
def test_a_model_that_names_weights_elsewhere(package: Path, name: str) -> None:
    def change(model: Any) -> None:
        for operation in operations(model):
            value = operation.attributes["val"]
            if operation.type == "const" and value.WhichOneof("value") == "blobFileValue":
                value.blobFileValue.fileName = name

    edit_model(package, change)
    refused(package, "names a weight file outside it")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"null",
        b'{"itemInfoEntries": {}, "rootModelIdentifier": "a"}',
        b"\xff" * 9,
        b"[" * 9999,
    ],
)
def test_a_manifest_that_is_none(package: Path, content: bytes) -> None:
    (package / "Manifest.json").write_bytes(content)
    refused(package, "is not a package's manifest")


# Programs


def test_a_tensor_of_another_shape_than_its_operator_makes(package: Path) -> None:
    def change(model: Any) -> None:
        (operation,) = (one for one in operations(model) if one.type == "relu")
        operation.outputs[0].type.tensorType.dimensions[3].constant.size = 6

    edit_model(package, change)
    refused(package, "is not a sound program; found AssertionError: Mismatch")


def test_an_integer_among_the_tensors(package: Path) -> None:
    data_type = import_coremltools().proto.MIL_pb2.DataType.INT32

    def change(model: Any) -> None:
        model.mlProgram.functions["main"].inputs[0].type.tensorType.dataType = data_type

    edit_model(package, change)
    refused(package, "is not a sound program|expected tensors of float32 or float16")


def test_a_function_without_a_body(package: Path) -> None:
    edit_model(package, lambda model: setattr(model.mlProgram.functions["main"], "opset", "CoreML99"))
    refused(package, "function 'main' has no body")


@pytest.mark.parametrize("seed", range(40))
def test_a_model_with_a_flipped_bit_is_evaluated_or_refused(package: Path, seed: int) -> None:
    """What a flipped bit leaves readable gives a tensor; that it is another one, SHA-256 alone can tell."""
    generator = np.random.default_rng(seed)
    content = bytearray((package / MODEL).read_bytes())
    content[generator.integers(len(content))] ^= 1 << int(generator.integers(8))
    (package / MODEL).write_bytes(content)
    try:
        (function,) = read_functions(package).values()
        (output,) = Interpreter(function, str(package))({"x": X}).values()
    except InputError:
        return
    assert output.numel()
