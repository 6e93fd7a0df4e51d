"""`segment_stateful` for Core ML: the memory bank in the program's own state, written and read by one function."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from export.activations import Activations
from export.targets import BuildRequest
from mobilevos.contract import EMPTY_BIAS, STATEFUL_STEP, Dimensions, signature
from mobilevos.errors import InputError

__all__ = ["StatefulSegment", "check_stateful", "stateful_inputs"]


class StatefulSegment(nn.Module):
    """`segment_stateful` of the contract, around a module that computes `segment`.

    Its states are buffers, of which `torch.export` notes that the program changes them: Core ML Tools makes of each
    such buffer a state. In PyTorch they are float32, so only the converted program rounds the bank to float16.

    All is products and sums with 0 and 1, which are exact. Rows that are not finite make every slot NaN, and then
    only a fresh state helps.

    Args:
        segment: `segment` of the contract.
        dimensions: Fix the shapes of the states.
    """

    bank_keys: Tensor
    bank_values: Tensor
    bank_filled: Tensor
    empty_row: Tensor

    def __init__(self, segment: nn.Module, dimensions: Dimensions) -> None:
        super().__init__()
        self.segment = segment
        self.training = False  # not by eval(), which a quantized program refuses; whatever is converted is evaluated
        for spec in signature(STATEFUL_STEP, dimensions).states:
            self.register_buffer(spec.name, torch.zeros(spec.shape))
        bias = [0.0] * dimensions.key_channels + [EMPTY_BIAS]
        self.register_buffer("empty_row", torch.tensor(bias), persistent=False)

    def forward(self, image: Tensor, memory_key: Tensor, memory_value: Tensor, write: Tensor) -> Any:
        """Writes, then segments; see the contract."""
        by_slot = write.reshape(-1, 1, 1)  # [T, 1, 1]
        keys = self.bank_keys * (1 - by_slot) + memory_key * by_slot
        objects, *rows = memory_value.shape
        value = memory_value.reshape(objects, 1, *rows)
        values = self.bank_values * (1 - by_slot) + value * by_slot
        filled = self.bank_filled + write * (1 - self.bank_filled)
        self.bank_keys.copy_(keys)
        self.bank_values.copy_(values)
        self.bank_filled.copy_(filled)
        # A slot that was never written is zeros. What makes its rows weigh nothing cannot be left to the state's first
        # value, which is zero whatever one wants, nor be added to what is stored: float16 is coarse beside 10,000.
        read = keys + (1 - filled).reshape(-1, 1, 1) * self.empty_row
        return self.segment(image, read.flatten(0, 1), values.flatten(1, 2))


def stateful_inputs(activations: Activations, dimensions: Dimensions) -> tuple[Tensor, ...]:
    """Inputs with which a fresh `segment_stateful` gives what `segment` gives with its own.

    Args:
        activations: Whose bank holds one frame, in the first slot.
        dimensions: Of the activations.
    """
    image, keys, values = (torch.from_numpy(array).clone() for array in activations["segment"][0])
    write = torch.zeros(dimensions.memory_frames)
    write[0] = 1
    rows = dimensions.positions
    return image, keys[:rows].clone(), values[:, :rows].clone(memory_format=torch.contiguous_format), write


def check_stateful(request: BuildRequest[Any]) -> None:
    """Refuses a precision in which the stateful step cannot be as good as the stateless one.

    Raises:
        InputError: It is `fp32`.
    """
    if request.precision == "fp32":
        raise InputError(
            "a Core ML state holds float16 alone",
            found="--state with --precision fp32",
            remedy="pass --precision fp16",
        )
