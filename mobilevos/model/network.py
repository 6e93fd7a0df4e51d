"""The network: a space-time memory student (MobileVOS, Miles et al., CVPR 2023, section 3) and its light teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from mobilevos.contract import Dimensions
from mobilevos.errors import InputError
from mobilevos.model.decoder import Decoder
from mobilevos.model.encoders import MemoryEncoder, QueryEncoder, QueryFeatures
from mobilevos.model.memory_read import read_memory

__all__ = ["MemoryNetwork", "NetworkConfig", "SpaceTimeMemory"]

# Far above any use: a damaged or hostile header must not make this process ask for all memory.
_MOST_CHANNELS = 4096
_MOST_BLOCKS = 64


@dataclass(frozen=True)
class NetworkConfig:
    """What fixes a network's shape.

    Attributes:
        name: The variant's name, written into every checkpoint and bundle.
        trunk: `mobilenet_v2` or `resnet18`.
        key_channels: Ck.
        value_channels: Cv.
        memory_channels: Memory encoder's channels at strides 16, 8 and 4.
        memory_blocks: Memory encoder's wide blocks at stride 16.
        decoder_channels: Decoder's channels at strides 16, 8 and 4.
        decoder_blocks: Decoder's separable blocks at strides 16, 8 and 4.
        aspp_channels: Channels of an ASPP branch; 0 for no ASPP.
        top_k: Memory positions that a query reads, None for all. For teachers: no mobile runtime delegates it.

    Raises:
        InputError: A number is out of range, or a list of three is not of three.
    """

    name: str
    trunk: str
    key_channels: int
    value_channels: int
    memory_channels: tuple[int, int, int]
    memory_blocks: int
    decoder_channels: tuple[int, int, int]
    decoder_blocks: tuple[int, int, int]
    aspp_channels: int = 0
    top_k: int | None = None

    def __post_init__(self) -> None:
        for name in ("memory_channels", "decoder_channels", "decoder_blocks"):
            value = tuple(getattr(self, name))  # a list, where it was read from YAML or JSON
            _require(len(value) == 3, name, "three numbers, for strides 16, 8 and 4", list(value))
            object.__setattr__(self, name, value)
        for name in ("key_channels", "value_channels", "memory_channels", "decoder_channels"):
            _require_within(name, getattr(self, name), 1, _MOST_CHANNELS)
        for name in ("memory_blocks", "decoder_blocks"):
            _require_within(name, getattr(self, name), 0, _MOST_BLOCKS)
        _require_within("aspp_channels", self.aspp_channels, 0, _MOST_CHANNELS)
        _require(self.top_k is None or self.top_k >= 1, "top_k", "at least 1, or none", self.top_k)


def _require_within(name: str, value: int | tuple[int, ...], least: int, most: int) -> None:
    for number in value if isinstance(value, tuple) else (value,):
        _require(least <= number <= most, name, f"{least} to {most}", number)


def _require(holds: bool, name: str, expected: str, found: object) -> None:
    if not holds:
        raise InputError(f"model.{name}", expected=expected, found=str(found))


class SpaceTimeMemory(Protocol):
    """What students and teachers share: the methods of `MemoryNetwork` that a clip is run with."""

    def encode_query(self, image: Tensor) -> QueryFeatures:
        """See `MemoryNetwork.encode_query`."""

    def encode_memory(self, query: QueryFeatures, masks: Tensor, others: Tensor) -> Tensor:
        """See `MemoryNetwork.encode_memory`."""

    def read_memory(self, query_key: Tensor, memory_key: Tensor, memory_value: Tensor) -> Tensor:
        """See `MemoryNetwork.read_memory`."""

    def decode_with_features(self, readout: Tensor, query: QueryFeatures) -> tuple[Tensor, Tensor]:
        """See `MemoryNetwork.decode_with_features`."""


class MemoryNetwork(nn.Module):
    """Query encoder, memory encoder, memory read and decoder.

    Frames are batched as `B`, objects as `B*O` with a frame's objects next to each other. The memory read takes
    any number of frames; who holds the memory, and which frames, is the caller's business.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.query_encoder = QueryEncoder(config.trunk, config.key_channels)
        channels = self.query_encoder.trunk.channels
        self.memory_encoder = MemoryEncoder(
            channels, config.memory_channels, config.memory_blocks, config.value_channels
        )
        self.decoder = Decoder(
            config.value_channels,
            channels,
            config.decoder_channels,
            config.decoder_blocks,
            config.aspp_channels,
        )

    def dimensions(self, height: int, width: int, memory_frames: int, objects: int) -> Dimensions:
        """The contract's dimensions of this network for one frame size, memory capacity and number of objects."""
        return Dimensions(
            height,
            width,
            memory_frames,
            objects,
            self.config.key_channels,
            self.config.value_channels,
            self.query_encoder.trunk.channels,
        )

    def encode_query(self, image: Tensor) -> QueryFeatures:
        """Encodes frames `[B, 3, H, W]`, RGB in 0..1, sides multiples of 16."""
        features: QueryFeatures = self.query_encoder(image)
        return features

    def encode_memory(self, query: QueryFeatures, masks: Tensor, others: Tensor) -> Tensor:
        """Memory values `[B*O, Cv, h, w]` of encoded frames and masks `[B*O, 1, H, W]` in 0..1."""
        value: Tensor = self.memory_encoder(query.feature16, query.feature8, masks, others)
        return value

    def read_memory(self, query_key: Tensor, memory_key: Tensor, memory_value: Tensor) -> Tensor:
        """Reads the memory once for all objects (STCN, equations 2 to 4).

        Args:
            query_key: `[B, Ck, h, w]`.
            memory_key: `[B, Ck, T, h, w]`.
            memory_value: `[B, O, Cv, T, h, w]`.

        Returns:
            Readout `[B*O, Cv, h, w]`.
        """
        return read_memory(query_key, memory_key, memory_value, self.config.top_k)

    def decode_with_features(self, readout: Tensor, query: QueryFeatures) -> tuple[Tensor, Tensor]:
        """Decoder features `[B*O, C4, H/4, W/4]`, which the representation loss compares, and `decode`'s logits."""
        features, logits = self.decoder(readout, query)
        return features, logits

    def decode(self, readout: Tensor, query: QueryFeatures) -> Tensor:
        """Mask logits `[B*O, 1, H, W]`."""
        return self.decode_with_features(readout, query)[1]
