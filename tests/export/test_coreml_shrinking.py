"""Core ML packages say the same in fewer bytes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export.coreml_package import normalise_package
from mobilevos.engines.mil import Interpreter, read_functions
from mobilevos.engines.mil.package import read_package
from mobilevos.engines.mil.toolkit import import_coremltools

pytestmark = pytest.mark.coreml

LAYERS = 8
CHANNELS = 32


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Convolutions in int8 as Core ML Tools writes them: the same scale and zero point again and again."""
    ct = import_coremltools()
    from coremltools.converters.mil import Builder

    rng = np.random.default_rng(0)

    @Builder.program(input_specs=[Builder.TensorSpec((1, CHANNELS, 4, 4))], opset_version=ct.target.iOS17)  # type: ignore[untyped-decorator]
    def program(image: Any) -> Any:
        x = image
        for layer in range(LAYERS):
            rounded = Builder.quantize(
                input=x, scale=np.float32(0.1), zero_point=np.int8(layer % 2), output_dtype="int8"
            )
            given = Builder.dequantize(input=rounded, scale=np.float32(0.1), zero_point=np.int8(layer % 2))
            kernel = Builder.constexpr_affine_dequantize(
                quantized_data=rng.integers(-127, 128, (CHANNELS, CHANNELS, 1, 1)).astype(np.int8),
                zero_point=np.full(CHANNELS, int(layer == 0), np.int8),
                scale=rng.uniform(1e-3, 2e-3, CHANNELS).astype(np.float32),
                axis=np.int32(0),
            )
            x = Builder.conv(
                x=given, weight=kernel, bias=np.full(CHANNELS, 0.25, np.float32), name=f"a_long_name_{layer}"
            )
        return Builder.relu(x=x, name="logits")

    model = ct.convert(
        program, minimum_deployment_target=ct.target.iOS17, compute_precision=ct.precision.FLOAT32, skip_model_load=True
    )
    path = tmp_path_factory.mktemp("saved") / "saved.mlpackage"
    model.save(str(path))
    return path


@pytest.fixture(scope="module")
def shrunk(saved: Path) -> Path:
    path = saved.with_name("shrunk.mlpackage")
    shutil.copytree(saved, path)
    normalise_package(path)
    return path


def operations(package: Path) -> list[Any]:
    function = read_package(package).model.mlProgram.functions["main"]
    return list(function.block_specializations[function.opset].operations)


def model_bytes(package: Path) -> int:
    return (package / "Data/com.apple.CoreML/model.mlmodel").stat().st_size


def weight_bytes(package: Path) -> int:
    return (package / "Data/com.apple.CoreML/weights/weight.bin").stat().st_size


def test_every_step_computes_the_same_bits(saved: Path, shrunk: Path) -> None:
    given = {"image": torch.from_numpy(np.random.default_rng(1).normal(size=(1, CHANNELS, 4, 4)).astype(np.float32))}
    steps: list[list[tuple[str, torch.Tensor]]] = [[], []]
    for package, seen in zip((saved, shrunk), steps, strict=True):
        interpreter = Interpreter(read_functions(package)["main"], str(package))
        (output,) = interpreter(given, lambda one, made, seen=seen: seen.append((one.operator, made.clone())))  # type: ignore[misc]
        assert output == "logits"
    assert len(steps[0]) == len(steps[1]) > 3 * LAYERS
    for (operator, before), (other, after) in zip(*steps, strict=True):
        assert operator == other
        assert torch.equal(before, after)
    assert steps[1][-1][1].abs().max() > 0.1


def test_the_boundary_keeps_its_names(saved: Path, shrunk: Path) -> None:
    functions = [read_functions(package)["main"] for package in (saved, shrunk)]
    assert functions[0].inputs == functions[1].inputs
    assert functions[0].outputs == functions[1].outputs


def test_text_and_weights_are_smaller(saved: Path, shrunk: Path) -> None:
    assert model_bytes(shrunk) < 0.5 * model_bytes(saved)
    assert weight_bytes(shrunk) < weight_bytes(saved)


def test_no_constant_is_said_twice_and_none_of_the_weights_lost(shrunk: Path) -> None:
    constants = [one for one in operations(shrunk) if one.type == "const"]
    values = [one.attributes["val"].SerializeToString(deterministic=True) for one in constants]
    assert len(values) == len(set(values))
    assert all(
        one.attributes["name"].immediateValue.tensor.strings.values[0] == one.outputs[0].name for one in constants
    )
    names = [output.name for one in operations(shrunk) for output in one.outputs]
    assert len(names) == len(set(names))


def test_a_vector_of_zeros_is_one_zero_and_others_stay(shrunk: Path) -> None:
    kernels = [one for one in operations(shrunk) if one.type == "constexpr_affine_dequantize"]
    ranks = [one.attributes["zero_point"].type.tensorType.rank for one in kernels]
    assert ranks == [1] + [0] * (LAYERS - 1)


def test_shrinking_again_changes_nothing(shrunk: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.mlpackage"
    shutil.copytree(shrunk, again)
    normalise_package(again)
    for file in shrunk.rglob("*"):
        if file.is_file():
            assert (again / file.relative_to(shrunk)).read_bytes() == file.read_bytes(), file.name


def test_core_ml_tools_reads_and_merges_what_was_shrunk(shrunk: Path, tmp_path: Path) -> None:
    ct = import_coremltools()
    assert ct.utils.load_spec(str(shrunk)).WhichOneof("Type") == "mlProgram"
    descriptor = ct.utils.MultiFunctionDescriptor()
    for name in ("one", "other"):
        descriptor.add_function(str(shrunk), src_function_name="main", target_function_name=name)
    descriptor.default_function_name = "one"
    merged = tmp_path / "merged.mlpackage"
    ct.utils.save_multifunction(descriptor, str(merged))
    normalise_package(merged)
    functions = read_functions(merged)
    assert set(functions) == {"one", "other"}
    assert weight_bytes(merged) == weight_bytes(shrunk)
    given = {"image": torch.full((1, CHANNELS, 4, 4), 0.7)}
    expected = Interpreter(read_functions(shrunk)["main"], "shrunk")(given)["logits"]
    for function in functions.values():
        assert torch.equal(Interpreter(function, "merged")(given)["logits"], expected)
