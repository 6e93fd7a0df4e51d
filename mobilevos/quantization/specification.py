"""The one place that says what int8 means here: formats, observers, and what stays in float with the reason.

No toolkit is imported, so that reports and tests can read it anywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "ACTIVATIONS",
    "DEFAULT_OBSERVER",
    "FLOAT_PARTS",
    "KNOWN_RANGES",
    "WEIGHTS",
    "FloatPart",
    "IntegerFormat",
    "Observer",
    "Specification",
]


@dataclass(frozen=True)
class IntegerFormat:
    """How a tensor is held in 8 bits: `real = scale * (integer - zero_point)`.

    Attributes:
        minimum: Smallest integer.
        maximum: Largest integer.
        symmetric: Whether the zero point is 0.
        channel_axis: Dimension along which every slice has a scale of its own; None for one scale per tensor.
    """

    minimum: int
    maximum: int
    symmetric: bool
    channel_axis: int | None


WEIGHTS = IntegerFormat(-127, 127, symmetric=True, channel_axis=0)
"""Of convolution kernels `[Cout, Cin/groups, KH, KW]`. -128 is left out, as XNNPACK and TFLite want it."""

ACTIVATIONS = IntegerFormat(-128, 127, symmetric=False, channel_axis=None)
"""Of all that goes from one quantized operator to the next. Biases are int32 at the product of the two scales."""


class Observer(StrEnum):
    """How a range is found from what calibration shows of a tensor.

    `minmax`: all that occurred. `moving_average`: the mean of each frame's smallest and largest value, the latest
    weighing most. `percentile`: what is left without the rarest values. `mse`: the range whose rounding and clipping
    together cost least, by squared error.
    """

    MINMAX = "minmax"
    MOVING_AVERAGE = "moving_average"
    PERCENTILE = "percentile"
    MSE = "mse"


DEFAULT_OBSERVER = Observer.MSE
"""Of every command and of a training run."""


@dataclass(frozen=True)
class FloatPart:
    """A part of the network that is not quantized.

    Attributes:
        name: For people.
        layers: Pattern that the layer's whole path must match, e.g. `decoder`. What no layer computes, such as the
            memory read, has the empty path.
        operators: ATen's names without overload that it holds for; empty for all.
        reason: Why.
    """

    name: str
    layers: str
    operators: frozenset[str]
    reason: str

    def holds(self, layer: str, operator: str) -> bool:
        """Whether this operator of this layer belongs to the part."""
        return re.fullmatch(self.layers, layer) is not None and (not self.operators or operator in self.operators)


FLOAT_PARTS = (
    FloatPart(
        "memory read and bank rows",
        layers="",
        operators=frozenset(),
        reason="the softmax turns an error of the affinity into a factor, and a bank row holds |k|^2 beside k, of "
        "another magnitude; runtimes take products of two activations in float only",
    ),
    FloatPart(
        "normalisation of the frame",
        layers=".*",
        operators=frozenset({"sub", "div"}),
        reason="three channels; the frame's 8 bits are rounded once, where the first convolution reads them",
    ),
    FloatPart(
        "bilinear upsampling",
        layers=".*",
        operators=frozenset({"upsample_bilinear2d"}),
        reason="XNNPACK interpolates in float only",
    ),
)
"""What no option changes."""


KNOWN_RANGES = {"memory_encoder/cat.0": (0.0, 1.0)}
"""By site: what the contract fixes and no observer need find. The masks of one object, beside an empty plane for all
others, would teach an observer that averages half of it."""


@dataclass(frozen=True)
class Specification:
    """What is quantized, and by which observer its ranges are found.

    Attributes:
        observer: Of activations. Weights take their largest magnitude, per channel.
        float_layers: Layers kept in float beside `FLOAT_PARTS`, by path, e.g. `decoder.head`; all below a path too.
    """

    observer: Observer = DEFAULT_OBSERVER
    float_layers: tuple[str, ...] = ()

    def float_part(self, layer: str, operator: str) -> FloatPart | None:
        """The part that keeps an operator in float; None if it is to be quantized.

        Args:
            layer: Path of the module whose code calls it, e.g. `decoder.to8.0`; empty if it is no layer's.
            operator: ATen's name, without overload and without the underscore of an in-place one.
        """
        for kept in self.float_layers:
            if layer == kept or layer.startswith(f"{kept}."):
                return FloatPart(kept, re.escape(kept), frozenset(), "kept in float on request")
        return next((part for part in FLOAT_PARTS if part.holds(layer, operator)), None)
