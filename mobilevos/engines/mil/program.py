"""What the interpreter knows of a MIL program: functions, operations and the tensors between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["MilFunction", "MilOperation", "MilTensor", "Operand", "Parameter"]

Parameter = bool | int | float | str | tuple[bool | int, ...]
"""A constant argument that is not a tensor of numbers to compute with: a padding, an axis, a mode, one number."""

Operand = str | tuple[str, ...]
"""The name of a tensor, or the names of several for an argument that takes a list."""


@dataclass(frozen=True)
class MilTensor:
    """A tensor as the program declares it.

    Attributes:
        name: Unique in its function.
        shape: Every dimension, fixed.
        dtype: `torch.float32` or `torch.float16`; between operators also `torch.int8` or `torch.uint8`.
        image: For an input: it is given as an 8-bit RGB image, whose values 0..255 the program scales itself.
    """

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    image: bool = False


@dataclass(frozen=True)
class MilOperation:
    """One operation.

    Attributes:
        line: Where it stands in its function, constants included, from 1.
        operator: MIL's name, e.g. `conv`.
        operands: Names of the tensors that it takes, by MIL's argument name.
        parameters: Its other arguments.
        output: The tensor that it makes.
    """

    line: int
    operator: str
    operands: Mapping[str, Operand]
    parameters: Mapping[str, Parameter]
    output: MilTensor

    @property
    def operand_names(self) -> tuple[str, ...]:
        """Every tensor that it takes."""
        values = self.operands.values()
        return tuple(name for value in values for name in ((value,) if isinstance(value, str) else value))

    def __str__(self) -> str:
        """As error messages name it."""
        return f"line {self.line}: operator {self.operator!r} that makes {self.output.name[:60]!r}"


@dataclass(frozen=True)
class MilFunction:
    """A function of a saved program.

    Attributes:
        name: As the package names it; `main` where there is but one.
        inputs: In the program's order.
        constants: Weights by name, in the precision that the file holds.
        operations: In the order of evaluation, constants left out. Those called `constexpr_*` make weights from
            weights that are stored in fewer bits.
        outputs: In the program's order.
        states: What it keeps from one call to the next. Operations read and write them by name.
    """

    name: str
    inputs: tuple[MilTensor, ...]
    constants: Mapping[str, Tensor]
    operations: tuple[MilOperation, ...]
    outputs: tuple[MilTensor, ...]
    states: tuple[MilTensor, ...] = ()
