"""A convolution as an artefact holds it, in the common form in which all formats are compared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from mobilevos.engines.engine import Array
from mobilevos.quantization.ranges import Range
from mobilevos.quantization.specification import ACTIVATIONS

__all__ = ["Arithmetic", "ArtefactGraph", "FoundConvolution", "rounded", "signed"]


class Arithmetic(StrEnum):
    """What a convolution is computed in.

    `int8 pair`: it stands between a dequantize and a quantize, and the runtime decides on the device whether it
    computes it in integers; so Core ML.
    """

    INT8 = "int8"
    INT8_PAIR = "int8 pair"
    FP16 = "fp16"
    FP32 = "fp32"

    @property
    def quantized(self) -> bool:
        """Whether its activations are given and kept in 8 bits."""
        return self in (Arithmetic.INT8, Arithmetic.INT8_PAIR)


@dataclass(frozen=True, eq=False)
class FoundConvolution:
    """One convolution of an artefact.

    Attributes:
        tensor: What it makes, activation function included, as the format calls it.
        kernel: `[Cout, Cin/groups, KH, KW]`, float32: the numbers that its weights stand for.
        arithmetic: What it is computed in.
        weights: How its kernel is stored: `int8`, `fp16` or `fp32`.
        weight_scales: `[Cout]`, float32; None for a kernel that is not int8.
        input: How what it is given is held in 8 bits; None if it is not.
        output: How what it makes is held in 8 bits; None if it is not.
    """

    tensor: str
    kernel: Array
    arithmetic: Arithmetic
    weights: str
    weight_scales: Array | None = None
    input: Range | None = None
    output: Range | None = None


class ArtefactGraph(ABC):
    """The graphs of one bundle.

    Attributes:
        measured_by: By what `values` are computed, for people.
    """

    measured_by: str

    @abstractmethod
    def convolutions(self, component: str) -> tuple[FoundConvolution, ...]:
        """Every convolution of a component, in the order of execution.

        Raises:
            InputError: The artefact cannot be read.
        """

    def additions(self, component: str) -> tuple[Range, ...] | None:
        """How what each addition in integers makes is held, in any order; None of a format where it is not read.

        Raises:
            InputError: The artefact cannot be read.
        """
        return None

    @abstractmethod
    def values(
        self, component: str, inputs: tuple[Array, ...], layers: Mapping[str, FoundConvolution]
    ) -> dict[str, Array]:
        """What convolutions make, as the real numbers that the integers stand for, of any layout.

        Args:
            component: Of the contract.
            inputs: The contract's, float32.
            layers: The convolutions that are wanted, by their layer of the network.

        Returns:
            By layer, float32; without those that the runtime does not let be seen.
        """


def signed(scale: float, zero_point: int, *, unsigned: bool = False) -> Range:
    """A range in the specification's form, of integers -128..127.

    Args:
        scale: Above 0.
        zero_point: The integer of 0.
        unsigned: Whether the integers are 0..255, which hold the same numbers 128 further up.
    """
    return Range(float(scale), int(zero_point) - (128 if unsigned else 0))


def rounded(values: NDArray[np.float32], held: Range | None) -> Array:
    """Numbers as 8 bits hold them; as they are without a range."""
    if held is None:
        return values
    integers = np.rint(values / np.float32(held.scale)) + held.zero_point
    clipped = np.clip(integers, ACTIVATIONS.minimum, ACTIVATIONS.maximum)
    result: Array = ((clipped - held.zero_point) * np.float32(held.scale)).astype(np.float32)
    return result
