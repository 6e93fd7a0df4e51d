"""Small MIL programs, saved as packages and read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mobilevos.engines.mil import Interpreter, MilFunction, read_functions
from mobilevos.engines.mil.toolkit import import_coremltools

Build = Callable[..., Any]
"""Makes the program's output with the builder `mb` from its inputs."""


class Saved:
    """A program in a package on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def function(self) -> MilFunction:
        return read_functions(self.folder)["main"]

    def run(self, **inputs: Tensor) -> Tensor:
        (output,) = Interpreter(self.function, str(self.folder))(inputs).values()
        return output


@pytest.fixture(scope="session")
def save(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Saved]:
    """`save(build, x=tensor)` saves the program `build(mb, x)` for inputs of these names, shapes and types.

    With `states={"s": tensor}` it is `build(mb, x, s)`; what the tensor holds means nothing.
    """

    def save_program(
        build: Build, target: str = "iOS17", states: Mapping[str, Tensor] | None = None, **inputs: Tensor
    ) -> Saved:
        ct = import_coremltools()
        from coremltools.converters import mil
        from coremltools.converters.mil.mil import Function, Program

        opset = getattr(ct.target, target)
        placeholders = _placeholders(mil.Builder.placeholder, inputs)
        placeholders |= _placeholders(mil.Builder.state_tensor_placeholder, states or {})
        with Function(placeholders, opset_version=opset) as function:
            function.set_outputs([build(mil.Builder, *function.inputs.values())])
        program = Program()
        program.add_function("main", function)
        model = ct.convert(
            program,
            convert_to="mlprogram",
            minimum_deployment_target=opset,
            compute_precision=ct.precision.FLOAT32,  # every tensor keeps the type that it was given
            pass_pipeline=ct.PassPipeline.EMPTY,
            skip_model_load=True,
        )
        path = tmp_path_factory.mktemp("mil") / "program.mlpackage"
        model.save(str(path))
        return Saved(path)

    return save_program


def _placeholders(make: Callable[..., Any], inputs: Mapping[str, Tensor]) -> dict[str, Any]:
    from coremltools.converters.mil.mil import types

    dtypes = {torch.float32: types.fp32, torch.float16: types.fp16}
    return {name: make(shape=tuple(x.shape), dtype=dtypes[x.dtype]) for name, x in inputs.items()}
