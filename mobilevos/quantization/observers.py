"""torchao's observers, as the specification names them. Imports torchao: to be imported where it is used."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchao.quantization.pt2e import HistogramObserver, MinMaxObserver, MovingAverageMinMaxObserver

from mobilevos.quantization.specification import ACTIVATIONS, Observer

__all__ = ["PercentileObserver", "activation_observer"]

_AVERAGING = 0.05
"""Weight of the latest frame in a moving average: after 64 frames the first has 4 % left."""


class PercentileObserver(HistogramObserver):  # type: ignore[misc]
    """A histogram whose rarest values are clipped, half of them at each end."""

    CLIPPED = 1e-4
    """Fraction of all values that are clipped."""

    def _non_linear_param_search(self) -> tuple[Tensor, Tensor]:
        """The hook by which torchao's observer finds the range that it keeps of its histogram."""
        share = self.histogram.cumsum(0) / self.histogram.sum()
        first = int((share <= self.CLIPPED / 2).sum())
        last = int((share < 1 - self.CLIPPED / 2).sum())
        width = (self.max_val - self.min_val) / self.bins
        return self.min_val + width * first, self.min_val + width * (last + 1)


def activation_observer(observer: Observer) -> Any:
    """The constructor of an observer of activations, as torchao's `QuantizationSpec` takes it."""
    common = {"eps": torch.finfo(torch.float32).eps}
    if observer is Observer.MINMAX:
        return MinMaxObserver.with_args(**common)
    if observer is Observer.MOVING_AVERAGE:
        return MovingAverageMinMaxObserver.with_args(averaging_constant=_AVERAGING, **common)
    if observer is Observer.PERCENTILE:
        return PercentileObserver.with_args(**common)
    assert observer is Observer.MSE
    assert (ACTIVATIONS.minimum, ACTIVATIONS.maximum) == (-128, 127), "torchao's search is for 256 steps"
    return HistogramObserver.with_args(**common)
