"""The network cut along the contract: one stateless module of fixed shape per component.

Inputs and outputs are those of `mobilevos.contract`, in its order, so a component's `torch.export` is its program.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mobilevos.contract import COMPONENTS, Dimensions, signature
from mobilevos.model.encoders import QueryFeatures
from mobilevos.model.memory_read import memory_rows, read_rows
from mobilevos.model.network import MemoryNetwork

__all__ = ["build_components", "example_inputs"]


class _Component(nn.Module):
    def __init__(self, network: MemoryNetwork) -> None:
        super().__init__()
        self.network = network


class EncodeQuery(_Component):
    """`encode_query` of the contract."""

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Key and features of a frame."""
        key, feature16, feature8, feature4 = self.network.encode_query(image)
        return key, feature16, feature8, feature4


class EncodeMemory(_Component):
    """`encode_memory` of the contract: bank rows, ready to be copied into their slot."""

    def forward(
        self, key: Tensor, feature16: Tensor, feature8: Tensor, masks: Tensor, others: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Memory key `[h*w, Ck+1]` and values `[O, h*w, Cv]`."""
        value = self.network.memory_encoder(feature16, feature8, masks, others)
        return memory_rows(key), value.permute(0, 2, 3, 1).flatten(1, 2)


class ReadMemory(nn.Module):
    """`read_memory` of the contract. It has no weights."""

    def forward(self, key: Tensor, memory_keys: Tensor, memory_values: Tensor) -> Tensor:
        """Readout `[O, Cv, h, w]`."""
        return read_rows(key, memory_keys, memory_values)


class Decode(_Component):
    """`decode` of the contract."""

    def forward(self, readout: Tensor, feature16: Tensor, feature8: Tensor, feature4: Tensor) -> Tensor:
        """Logits `[O, 1, H, W]`."""
        # The decoder uses no key; an input that is there anyway stands for it, and adds no operator to the program.
        return self.network.decode(readout, QueryFeatures(readout, feature16, feature8, feature4))


class Segment(_Component):
    """`segment` of the contract: a whole tracking step."""

    def forward(self, image: Tensor, memory_keys: Tensor, memory_values: Tensor) -> tuple[Tensor, ...]:
        """Logits, and the key and features for memorising."""
        query = self.network.encode_query(image)
        readout = read_rows(query.key, memory_keys, memory_values)
        return self.network.decode(readout, query), query.key, query.feature16, query.feature8


_CLASSES = {
    "encode_query": EncodeQuery,
    "encode_memory": EncodeMemory,
    "decode": Decode,
    "segment": Segment,
}


def build_components(network: MemoryNetwork) -> dict[str, nn.Module]:
    """The contract's components of a network, in evaluation mode and in the contract's order."""
    return {name: (ReadMemory() if name == "read_memory" else _CLASSES[name](network)).eval() for name in COMPONENTS}


def example_inputs(component: str, dimensions: Dimensions, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Inputs of the right shapes, uniform in 0..1: enough to export with, not to judge numbers by."""
    return tuple(torch.rand(spec.shape, generator=generator) for spec in signature(component, dimensions).inputs)
