"""The reference that exports are judged by: the network in PyTorch, and what it computes on the clips."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from export.activations import Activations, record_activations
from export.quantization.fidelity import component_differences
from mobilevos.contract import Dimensions
from mobilevos.engines import INT8_REFERENCE
from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.engine import Engine
from mobilevos.golden import GoldenTrace, record, synthetic_clip
from mobilevos.model.components import build_components
from mobilevos.model.int8_weights import with_int8_kernels
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.component_engine import ComponentEngine
from mobilevos.quantization.program import QuantizedNetwork, quantize
from mobilevos.quantization.stored import StoredQuantization

__all__ = ["Reference", "WeightOnlyReference"]


class Reference:
    """A network on the clips. Each of its runs is made when first asked for, and kept for further targets.

    Args:
        network: A student.
        dimensions: Of the bundles.
        quantization: Its ranges, for bundles in int8: the reference then rounds where they do. None: it is in float.

    Attributes:
        network: As given; the engine lays its weights out channels-last.
        dimensions: As given.
        quantization: As given.
    """

    def __init__(
        self, network: MemoryNetwork, dimensions: Dimensions, quantization: StoredQuantization | None = None
    ) -> None:
        self.network, self.dimensions, self.quantization = network, dimensions, quantization

    @cached_property
    def eager(self) -> EagerEngine:
        """The network in PyTorch, in float32."""
        return EagerEngine(self.network)

    @cached_property
    def quantized(self) -> QuantizedNetwork:
        """The network in int8."""
        assert self.quantization is not None
        return quantize(self.network, self.dimensions, self.quantization.specification, self.quantization.ranges)

    @cached_property
    def engine(self) -> Engine:
        """What a bundle is to compute."""
        if self.quantization is None:
            return self.eager
        one_object = replace(self.dimensions, objects=1)
        quantized = self.quantized
        if self.dimensions != one_object:
            stored = self.quantization
            quantized = quantize(self.network, one_object, stored.specification, stored.ranges)
        return ComponentEngine(quantized.programs, one_object, INT8_REFERENCE)

    @cached_property
    def activations(self) -> Activations:
        """Inputs and outputs of each component."""
        return record_activations(self.engine, self.dimensions)

    @cached_property
    def golden(self) -> GoldenTrace:
        """The golden clip, tracked by the network on its own masks."""
        return record(self.engine, synthetic_clip((self.dimensions.height, self.dimensions.width)))

    @cached_property
    def int8_sqnr_db(self) -> dict[str, float]:
        """What int8 leaves of each component's worst output, called once with what the network in float is given."""
        found = component_differences(self.quantized.programs, record_activations(self.eager, self.dimensions))
        return {name: difference.sqnr_db for name, difference in found.items()}


class WeightOnlyReference(Reference):
    """Of a bundle whose kernels alone are in 8 bits: the network with those kernels, in float.

    Args:
        network: A student in float.
        dimensions: Of the bundle.
    """

    def __init__(self, network: MemoryNetwork, dimensions: Dimensions) -> None:
        super().__init__(with_int8_kernels(network), dimensions)
        self._in_float = network

    @cached_property
    def int8_sqnr_db(self) -> dict[str, float]:
        """See `Reference`: what 8 bits leave of the kernels."""
        expected = record_activations(EagerEngine(self._in_float), self.dimensions)
        found = component_differences(build_components(self.network), expected)
        return {name: difference.sqnr_db for name, difference in found.items()}
