"""What a `.tflite` computes in integers, read from the file, and whether that is what the specification says.

A model whose weights are int8 and whose convolutions take floats only emulates. So what counts here is the type of what
an operator takes and gives, and that its scales and zero points are the specification's, to the last bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from export.quantization.operators import ReferenceOperator, reference_operators
from export.tflite_operators import StoredOperator, read_operators
from export.tflite_quantizing import Kernel, site_of
from export.tflite_sites import CONVOLUTIONS, as_stored
from mobilevos.errors import InputError
from mobilevos.quantization.program import QuantizedNetwork
from mobilevos.quantization.ranges import Ranges

__all__ = ["IntegerAudit", "audit_integers", "check_integers"]

_CONVERTING = ("QUANTIZE", "DEQUANTIZE")


@dataclass(frozen=True)
class IntegerAudit:
    """One signature of a model.

    Attributes:
        integer: Number of operators by name that take and give int8 and nothing else, constants apart.
        in_float: Number of the others by name, but for conversions between float and int8.
        conversions: Number of these.
    """

    integer: dict[str, int]
    in_float: dict[str, int]
    conversions: int

    @property
    def integer_convolutions(self) -> int:
        """Of all convolutions, those in integers."""
        return sum(self.integer.get(kind, 0) for kind in CONVOLUTIONS)

    @property
    def convolutions(self) -> int:
        """Of every kind."""
        return self.integer_convolutions + sum(self.in_float.get(kind, 0) for kind in CONVOLUTIONS)


def audit_integers(model: bytes) -> dict[str, IntegerAudit]:
    """Every signature of a model, by name.

    Args:
        model: A `.tflite` that this project made; a stranger's is not to be parsed here.
    """
    return {name: _audit(operators) for name, operators in read_operators(model).items()}


def _audit(operators: list[StoredOperator]) -> IntegerAudit:
    computing = [one for one in operators if one.kind not in _CONVERTING]
    return IntegerAudit(
        integer=dict(Counter(one.kind for one in computing if one.integer)),
        in_float=dict(Counter(one.kind for one in computing if not one.integer)),
        conversions=len(operators) - len(computing),
    )


def check_integers(model: bytes, quantized: QuantizedNetwork, kernels: Mapping[str, Kernel]) -> None:
    """Checks that a model computes in integers what the specification quantizes, with its scales and zero points.

    Args:
        model: From `quantize_model`.
        quantized: The same components.
        kernels: By the layer's path, of every convolution.

    Raises:
        InputError: An operator does not, or holds other numbers; the layer is named.
    """
    for component, operators in read_operators(model).items():
        # Where others only move what an operator gives, the first is the operator.
        made = {site_of(one.output.name): one for one in reversed(operators)}
        for reference in reference_operators(quantized, component):
            if reference.integer:
                fault = _fault(made.get(reference.output), reference, quantized.ranges, kernels)
                if fault is not None:
                    layer, (expected, found) = reference.output, fault
                    raise InputError(
                        f"layer {layer} cannot be quantized in TFLite's {component}",
                        expected=expected,
                        found=found,
                        remedy=f"pass --keep-float {layer.partition('/')[0]}",
                    )


def _fault(
    operator: StoredOperator | None, reference: ReferenceOperator, ranges: Ranges, kernels: Mapping[str, Kernel]
) -> tuple[str, str] | None:
    """What was expected and what was found, if they differ."""
    if operator is None:
        return "an operator of its own", "none"
    tensors = (*operator.activations, operator.output)
    sites = [site_of(tensor.name) for tensor in tensors]
    if sorted(sites) != sorted((*reference.inputs, reference.output)):
        return f"one that takes {', '.join(reference.inputs)}", ", ".join(sites[:-1])
    for site, tensor in zip(sites, tensors, strict=True):
        expected = ("INT8", [float(np.float32(ranges[site].scale))], [ranges[site].zero_point])
        found = (tensor.dtype, tensor.scale.tolist(), tensor.zero_point.tolist())
        if expected != found:
            return f"{site} as {expected}", f"{found}"
    if operator.kind in CONVOLUTIONS:
        return _kernel_fault(operator, kernels[reference.output])
    return None


def _kernel_fault(operator: StoredOperator, kernel: Kernel) -> tuple[str, str] | None:
    image, stored, *biases = operator.inputs
    assert kernel.scale is not None
    assert stored.values is not None
    integers = np.round(kernel.values / kernel.scale.reshape(-1, 1, 1, 1))
    if stored.dtype != "INT8" or not np.array_equal(stored.values, as_stored(integers, operator.kind)):
        return "the integers of its kernel", f"others, in {stored.dtype}"
    if not np.array_equal(stored.scale, kernel.scale) or stored.zero_point.any():
        return "the scales of its kernel", "others"
    for bias in biases:
        assert bias.values is not None
        scale = image.scale.astype(np.float64) * stored.scale
        if bias.dtype != "INT32" or not np.array_equal(bias.scale, scale.astype(np.float32)):
            return "its bias in INT32, with the product of its scales", f"others, in {bias.dtype}"
        if np.abs(bias.values.astype(np.int64)).max() >= np.iinfo(np.int32).max:
            return "a bias that 32 bits hold", "one that is cut off"
    return None
