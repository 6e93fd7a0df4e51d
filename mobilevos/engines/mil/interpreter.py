"""Evaluating a MIL function in PyTorch, at the precision that the program declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mobilevos.engines.mil.operators import OPERATORS
from mobilevos.engines.mil.operators.state import UPDATE
from mobilevos.engines.mil.program import MilFunction, MilOperation
from mobilevos.engines.mil.state import MilState
from mobilevos.errors import InputError

__all__ = ["Interpreter", "Observer"]

Observer = Callable[[MilOperation, Tensor], None]
"""Sees each operation and the tensor that it made."""


@dataclass(frozen=True)
class _Step:
    """An operation made ready: its kernel, and the tensors that nobody needs after it."""

    operation: MilOperation
    kernel: Callable[..., Tensor]
    last_used: tuple[str, ...]


class Interpreter:
    """A function ready to be called again and again.

    Every operator computes in float32, as PyTorch's CPU kernels do it best, and its result is rounded to the declared
    type. So a float16 tensor is one at every step, an int8 tensor holds whole numbers, and sums inside an operator are
    as good as float32 makes them: what Apple's engines add up in is theirs to know.

    Args:
        function: What to evaluate.
        source: Where it comes from, for messages.
        rounding: Whether results take their declared type. Without, a float16 program runs in float32 throughout,
            which shows the values that float16 would not hold.
    """

    def __init__(self, function: MilFunction, source: str, *, rounding: bool = True) -> None:
        self._function, self._source, self._rounding = function, source, rounding
        steps = _plan(function)
        self._steps = tuple(step for step in steps if not _is_constant(step.operation))
        self._constants = {name: constant.float() for name, constant in function.constants.items()}
        for step in steps:
            if _is_constant(step.operation):
                self._constants[step.operation.output.name] = self._evaluate(step, self._constants)

    @property
    def function(self) -> MilFunction:
        """What it evaluates."""
        return self._function

    def make_state(self) -> MilState:
        """A fresh state for the function's calls, all zeros."""
        states = self._function.states
        return MilState({one.name: self._round(torch.zeros(one.shape), one.dtype) for one in states})

    @torch.inference_mode()
    def __call__(
        self, inputs: Mapping[str, Tensor], observe: Observer | None = None, state: MilState | None = None
    ) -> dict[str, Tensor]:
        """Evaluates the function.

        Args:
            inputs: Each input of the function, of its shape; converted to its type.
            observe: Called after every operation but those that make weights, which are evaluated once.
            state: Of a function with states: what they hold, and in the end what the call has made of them.

        Returns:
            The outputs by name, in the program's order. One that the program only reshapes shares its input's memory.

        Raises:
            InputError: An input or the state does not fit, or an operation cannot be evaluated or gives another shape
                than declared. The state is as before then.
        """
        held = self._held(state)
        values = self._constants | self._typed(inputs) | held
        for step in self._steps:
            result = self._evaluate(step, values)
            values[step.operation.output.name] = result
            if step.operation.operator == UPDATE:
                values[str(step.operation.operands["state"])] = result
            if observe is not None:
                observe(step.operation, result)
            for name in step.last_used:
                del values[name]
        if state is not None:
            state.hold({name: values[name] for name in held})
        return {tensor.name: values[tensor.name] for tensor in self._function.outputs}

    def _held(self, state: MilState | None) -> dict[str, Tensor]:
        expected = {tensor.name: tensor.shape for tensor in self._function.states}
        held = {} if state is None else dict(state.tensors)
        found = {name: tuple(tensor.shape) for name, tensor in held.items()}
        if found != expected:
            raise InputError(f"{self._source}: states", expected=str(expected), found=str(found))
        return held

    def _typed(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        expected = {tensor.name: tensor.shape for tensor in self._function.inputs}
        found = {name: tuple(tensor.shape) for name, tensor in inputs.items()}
        if found != expected:
            raise InputError(f"{self._source}: inputs", expected=str(expected), found=str(found))
        return {tensor.name: self._round(inputs[tensor.name], tensor.dtype) for tensor in self._function.inputs}

    def _evaluate(self, step: _Step, values: Mapping[str, Tensor]) -> Tensor:
        operation = step.operation
        operands = {
            name: values[operand].float() if isinstance(operand, str) else tuple(values[one].float() for one in operand)
            for name, operand in operation.operands.items()
        }
        try:
            result = step.kernel(**operands, **operation.parameters)
        except (RuntimeError, ValueError, TypeError, LookupError) as error:  # PyTorch's, on arguments it cannot take
            raise InputError(f"{self._source}: {operation}", found=str(error)[:200]) from error
        if tuple(result.shape) != operation.output.shape:
            raise InputError(
                f"{self._source}: {operation}",
                expected=f"the declared shape {list(operation.output.shape)}",
                found=str(list(result.shape)),
            )
        return self._round(result, operation.output.dtype)

    def _round(self, tensor: Tensor, dtype: torch.dtype) -> Tensor:
        return tensor.to(dtype if self._rounding else torch.float32)


def _is_constant(operation: MilOperation) -> bool:
    """Whether an operation makes a weight, of weights alone."""
    return operation.operator.startswith("constexpr_")


def _plan(function: MilFunction) -> tuple[_Step, ...]:
    kept = {tensor.name for tensor in (*function.outputs, *function.states)} | set(function.constants)
    kept |= {one.output.name for one in function.operations if _is_constant(one)}
    steps: list[_Step] = []
    for operation in reversed(function.operations):
        names = {operation.output.name, *operation.operand_names}
        steps.append(_Step(operation, OPERATORS[operation.operator], tuple(names - kept)))
        kept |= names
    return tuple(reversed(steps))
