"""What a stateful function keeps from one call to the next, in the place of Apple's `MLState`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from torch import Tensor

__all__ = ["MilState"]


class MilState:
    """The tensors of a function's states. `Interpreter.make_state` makes one, of zeros as Apple's are.

    Only a call that succeeds changes it: one that fails leaves every tensor as it was.

    Args:
        tensors: By the state's name.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = dict(tensors)

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """What it holds now; a later call puts other tensors here and leaves these alone."""
        return MappingProxyType(self._tensors)

    def hold(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes other tensors in the place of all that it holds."""
        self._tensors = {name: tensor.clone() for name, tensor in tensors.items()}
