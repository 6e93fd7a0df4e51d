"""An activation's range while the network learns to live with it."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn

from mobilevos.quantization.ranges import Range
from mobilevos.quantization.specification import ACTIVATIONS

__all__ = ["LearnedRange"]


class LearnedRange(nn.Module):
    """Rounds to 8 bits and back, by a scale that has a gradient (LSQ, Esser et al., ICLR 2020, equations 1 to 3).

    What is learnt is the logarithm of a factor to the scale that calibration found, so that one learning rate suits
    activations of any magnitude. The zero point stays.

    Args:
        initial: The range to start from.
        learns: Whether the scale has a gradient; one that the contract fixes has none.
    """

    initial_scale: Tensor
    zero_point: Tensor

    def __init__(self, initial: Range, *, learns: bool = True) -> None:
        super().__init__()
        self.register_buffer("initial_scale", torch.empty(1))
        self.register_buffer("zero_point", torch.empty(1))
        self.log_factor = nn.Parameter(torch.empty(1), requires_grad=learns)
        self.start_from(initial)

    @torch.no_grad()
    def start_from(self, initial: Range) -> None:
        """Sets the range."""
        self.initial_scale.fill_(initial.scale)
        self.zero_point.fill_(initial.zero_point)
        self.log_factor.zero_()

    def forward(self, activation: Tensor) -> Tensor:
        """The nearest values that 8 bits hold; the gradient passes where nothing was clipped."""
        low, high = ACTIVATIONS.minimum, ACTIVATIONS.maximum
        scale = self.initial_scale * self.log_factor.exp()
        if not scale.requires_grad:
            return torch.fake_quantize_per_tensor_affine(activation, scale, self.zero_point.int(), low, high)
        gradient_factor = 1 / sqrt(activation.numel() * high)
        return torch._fake_quantize_learnable_per_tensor_affine(
            activation, scale, self.zero_point, low, high, gradient_factor
        )

    @torch.no_grad()
    def range(self) -> Range:
        """As it stands."""
        return Range(float(self.initial_scale * self.log_factor.exp()), int(self.zero_point))
