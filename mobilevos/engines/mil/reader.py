"""Saved Core ML models to the functions that the interpreter evaluates.

Core ML Tools reads the program back into its own MIL, and with that infers every tensor's type anew and compares it
with the declared one. What the interpreter does not implement is refused before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mobilevos.engines.mil.operators import OPERATORS
from mobilevos.engines.mil.operators.state import UPDATE
from mobilevos.engines.mil.package import ModelPackage, read_package
from mobilevos.engines.mil.program import MilFunction, MilOperation, MilTensor, Operand, Parameter
from mobilevos.engines.mil.toolkit import import_coremltools
from mobilevos.errors import InputError

__all__ = ["read_functions"]

_REAL = {"fp16": torch.float16, "fp32": torch.float32}
_DTYPES = _REAL | {"int8": torch.int8, "uint8": torch.uint8}
"""MIL's names of the types of tensors. Those of integers occur between operators alone."""

_READ_AS = {"write_state": UPDATE}
"""What Core ML Tools makes of an operator when it reads the package, where that has another name."""

_REMEDY = "export the bundle again"


def read_functions(folder: Path) -> dict[str, MilFunction]:
    """Reads every function of a saved `.mlpackage`.

    Args:
        folder: The `.mlpackage`.

    Raises:
        InputError: Core ML Tools is not installed; the package is damaged, leads outside itself, or holds an operator
            or a type that the interpreter does not know.
    """
    package = read_package(folder)
    lines = {name: _check_operators(package, name) for name in package.model.mlProgram.functions}
    program = _load(package)
    return {
        name: _Reader(package, name, lines[name]).function(function, _images(package.model, name))
        for name, function in program.functions.items()
    }


def _check_operators(package: ModelPackage, name: str) -> dict[str, int]:
    """Refuses a function with an operator that is not implemented; gives the line that makes each tensor."""
    function = package.model.mlProgram.functions[name]
    if function.opset not in function.block_specializations:
        raise InputError(f"{package.folder}: function {name[:60]!r} has no body", remedy=_REMEDY)
    lines: dict[str, int] = {}
    for line, operation in enumerate(function.block_specializations[function.opset].operations, start=1):
        outputs = [output.name for output in operation.outputs]
        if operation.type != "const" and _READ_AS.get(operation.type, operation.type) not in OPERATORS:
            raise InputError(
                f"{package.folder}: line {line} of function {name[:60]!r}",
                expected=f"one of the {len(OPERATORS)} operators that the MIL interpreter implements",
                found=f"operator {operation.type[:60]!r}, which makes {', '.join(outputs)[:60]!r}",
            )
        lines |= dict.fromkeys(outputs, line)
    return lines


def _load(package: ModelPackage) -> Any:
    """Core ML Tools' own MIL of a package."""
    import_coremltools()
    from coremltools.converters.mil.frontend.milproto.load import load

    model = package.model
    try:
        return load(model, model.specificationVersion, str(package.weights))
    except Exception as error:  # it raises whatever its own statements raise on what they did not expect
        found = f"{type(error).__name__}: {error}"
        raise InputError(f"{package.folder} is not a sound program", found=found[:200], remedy=_REMEDY) from error


def _images(model: Any, function: str) -> set[str]:
    """Names of a function's inputs that are images."""
    described = {one.name: one for one in model.description.functions}.get(function, model.description)
    return {feature.name for feature in described.input if feature.type.WhichOneof("Type") == "imageType"}


class _Reader:
    """Turns one function of Core ML Tools' MIL into ours."""

    def __init__(self, package: ModelPackage, name: str, lines: dict[str, int]) -> None:
        self._source, self._name, self._lines = package.folder, name, lines
        self._constants: dict[str, Tensor] = {}

    def function(self, function: Any, images: set[str]) -> MilFunction:
        states = tuple(self._tensor(var) for var in function.inputs.values() if _is_state(var))
        inputs = tuple(
            self._tensor(var, image=name in images) for name, var in function.inputs.items() if not _is_state(var)
        )
        operations = tuple(self._operation(one) for one in function.operations if one.op_type != "const")
        outputs = tuple(self._tensor(var) for var in function.outputs)
        made = {tensor.name for tensor in inputs} | {operation.output.name for operation in operations}
        if foreign := [tensor.name for tensor in outputs if tensor.name not in made]:
            raise self._refusal(f"output {foreign[0][:60]!r} is a constant")
        if integers := [tensor for tensor in (*inputs, *outputs, *states) if tensor.dtype not in _REAL.values()]:
            raise self._refusal(f"{integers[0].name[:60]!r} at its boundary is {integers[0].dtype}")
        return MilFunction(self._name, inputs, self._constants, operations, outputs, states)

    def _operation(self, operation: Any) -> MilOperation:
        (output,) = operation.outputs  # as of every operator in OPERATORS
        operands: dict[str, Operand] = {}
        parameters: dict[str, Parameter] = {}
        for name, value in operation.inputs.items():
            if isinstance(value, (tuple, list)):
                operands[name] = tuple(self._operand(var) for var in value)
            elif value is None:  # an optional argument left out
                continue
            elif _is_constant(value) and not _is_tensor(value):
                parameters[name] = _parameter(value.val)
            else:
                operands[name] = self._operand(value)
        line = self._lines.get(output.name, 0)
        return MilOperation(line, operation.op_type, operands, parameters, self._tensor(output))

    def _operand(self, var: Any) -> str:
        if _is_constant(var):
            if not _is_tensor(var):
                raise self._refusal(f"constant {var.name[:60]!r} among tensors is not one of them")
            self._constants[var.name] = torch.from_numpy(np.array(var.val))  # copied: the file's buffer is read-only
        return str(var.name)

    def _tensor(self, var: Any, *, image: bool = False) -> MilTensor:
        dtype = _DTYPES.get(_type_name(var))
        if dtype is None or not all(isinstance(side, (int, np.integer)) for side in var.shape):
            raise self._refusal(f"tensor {var.name[:60]!r} is {_type_name(var)}{list(var.shape)}"[:160])
        return MilTensor(str(var.name), tuple(int(side) for side in var.shape), dtype, image)

    def _refusal(self, found: str) -> InputError:
        return InputError(
            f"{self._source}: function {self._name[:60]!r}",
            expected="tensors of fixed shape, of float32 or float16, and inside also of 8-bit integers",
            found=found,
            remedy=_REMEDY,
        )


def _is_constant(var: Any) -> bool:
    return var.op is not None and var.op.op_type == "const"


def _is_state(var: Any) -> bool:
    from coremltools.converters.mil.mil import types

    return bool(types.is_state(var.sym_type))


def _is_tensor(var: Any) -> bool:
    """Whether a constant holds numbers to compute with. Sides, axes and strides are int32."""
    value = var.val
    return isinstance(value, np.ndarray) and value.ndim > 0 and (value.dtype.kind == "f" or value.dtype.itemsize == 1)


def _type_name(var: Any) -> str:
    from coremltools.converters.mil.mil import types

    return str(types.builtin_to_string(var.dtype))


def _parameter(value: Any) -> Parameter:
    if isinstance(value, np.ndarray):
        return tuple(value.ravel().tolist()) if value.ndim else _parameter(value.item())
    return value.item() if isinstance(value, np.generic) else value  # type: ignore[no-any-return]
