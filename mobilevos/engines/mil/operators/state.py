"""MIL operators on a state. They are given what it holds; that it holds the result from then on is the interpreter's.

A package says `write_state`, which gives nothing, and mostly reads the same state right after it. Core ML Tools makes
one operator of both when it reads the package back, `coreml_update_state`, which gives what it wrote.
"""

from __future__ import annotations

from torch import Tensor

__all__ = ["UPDATE", "coreml_update_state", "read_state"]

UPDATE = "coreml_update_state"
"""The operator after which its operand `state` holds the result."""


def read_state(input: Tensor) -> Tensor:  # MIL's name
    """What the state holds."""
    return input


def coreml_update_state(state: Tensor, value: Tensor) -> Tensor:
    """What the state holds from now on: `value`.

    Raises:
        ValueError: It is not of the state's shape.
    """
    if value.shape != state.shape:
        raise ValueError(f"a state of {list(state.shape)} cannot hold {list(value.shape)}")
    return value
