"""The STCN network behind the methods of `mobilevos.model.network.MemoryNetwork`, loading published weights."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mobilevos.contract import Dimensions
from mobilevos.errors import InputError
from mobilevos.model.blocks import per_object
from mobilevos.model.checkpoint import load_state, load_tensors
from mobilevos.model.encoders import IMAGENET_MEAN, IMAGENET_STD, QueryFeatures
from mobilevos.model.memory_read import read_memory
from mobilevos.model.stcn.blocks import conv3x3
from mobilevos.model.stcn.decoder import Decoder
from mobilevos.model.stcn.encoders import KeyEncoder, ValueEncoder

__all__ = ["Stcn"]

_KEY_CHANNELS = 64
_VALUE_CHANNELS = 512
_FEATURE_CHANNELS = (1024, 512, 256)
_IMAGE_BLOCK = 8


class _KeyProjection(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.key_proj = conv3x3(_FEATURE_CHANNELS[0], _KEY_CHANNELS)
        nn.init.orthogonal_(self.key_proj.weight)
        nn.init.zeros_(self.key_proj.bias)  # type: ignore[arg-type]

    def forward(self, feature16: Tensor) -> Tensor:
        key: Tensor = self.key_proj(feature16)
        return key


class Stcn(nn.Module):
    """STCN, the teacher of MobileVOS: 54.4 M parameters, made for a memory that grows with the video.

    Its parameters have the published checkpoint's names and shapes. Its methods are the student's, with one
    difference inside: STCN's value encoder sees the frame itself. `feature8` therefore carries the normalised
    frame behind its 512 channels, as 8x8 blocks of pixels in 192 more, so that a caller who keeps the query's
    features between steps can memorise with either network.

    Args:
        top_k: Memory positions that a query reads; None for all. The authors evaluate with 20 and train with all.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, top_k: int | None = 20) -> None:
        super().__init__()
        self.top_k = top_k
        self.key_encoder = KeyEncoder()
        self.value_encoder = ValueEncoder(_FEATURE_CHANNELS[0], _VALUE_CHANNELS)
        self.key_proj = _KeyProjection()
        self.key_comp = conv3x3(_FEATURE_CHANNELS[0], 512)
        self.decoder = Decoder()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    @classmethod
    def load_published(cls, path: Path | str, *, top_k: int | None = 20) -> Stcn:
        """STCN in evaluation mode from the authors' `stcn.pth`, or from its tensors as `.safetensors`.

        Raises:
            InputError: The file is missing or damaged, holds more than tensors, or is not this network's.
        """
        tensors = _read_weights(Path(path))
        network = cls(top_k)
        load_state(network, tensors, path)
        return network.eval()

    def dimensions(self, height: int, width: int, memory_frames: int, objects: int) -> Dimensions:
        """The contract's dimensions of this network for one frame size, memory capacity and number of objects."""
        c16, c8, c4 = _FEATURE_CHANNELS
        channels = (c16, c8 + 3 * _IMAGE_BLOCK**2, c4)
        return Dimensions(height, width, memory_frames, objects, _KEY_CHANNELS, _VALUE_CHANNELS, channels)

    def encode_query(self, image: Tensor) -> QueryFeatures:
        """Encodes frames `[B, 3, H, W]`, RGB in 0..1, sides multiples of 16.

        Returns:
            Key `[B, 64, h, w]` and features of 1024, 704 (512 and the frame) and 256 channels.
        """
        image = (image - self.mean) / self.std
        feature16, feature8, feature4 = self.key_encoder(image)
        feature8 = torch.cat([feature8, F.pixel_unshuffle(image, _IMAGE_BLOCK)], dim=1)
        return QueryFeatures(self.key_proj(feature16), feature16, feature8, feature4)

    def encode_memory(self, query: QueryFeatures, masks: Tensor, others: Tensor) -> Tensor:
        """Memory values `[B*O, 512, h, w]` of encoded frames and masks `[B*O, 1, H, W]` in 0..1."""
        batch = masks.shape[0]
        image = F.pixel_shuffle(query.feature8[:, _FEATURE_CHANNELS[1] :], _IMAGE_BLOCK)
        value: Tensor = self.value_encoder(
            per_object(image, batch).expand(batch, -1, -1, -1),
            per_object(query.feature16, batch).expand(batch, -1, -1, -1),
            masks,
            others,
        )
        return value

    def read_memory(self, query_key: Tensor, memory_key: Tensor, memory_value: Tensor) -> Tensor:
        """Reads `memory_key [B, 64, T, h, w]` and `memory_value [B, O, 512, T, h, w]`: `[B*O, 512, h, w]`."""
        return read_memory(query_key, memory_key, memory_value, self.top_k)

    def decode_with_features(self, readout: Tensor, query: QueryFeatures) -> tuple[Tensor, Tensor]:
        """Decoder features `[B*O, 256, H/4, W/4]`, which the representation loss compares, and `decode`'s logits."""
        feature8 = query.feature8[:, : _FEATURE_CHANNELS[1]]
        features = self.decoder.features(readout, self.key_comp(query.feature16), feature8, query.feature4)
        return features, self.decoder.logits(features)

    def decode(self, readout: Tensor, query: QueryFeatures) -> Tensor:
        """Mask logits `[B*O, 1, H, W]`, one independent logit per object."""
        return self.decode_with_features(readout, query)[1]


def _read_weights(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return load_tensors(path)
    if not path.is_file():
        raise InputError(f"no STCN checkpoint at {path}", remedy="download stcn.pth from the STCN project")
    expected = "a dictionary of tensors, as in stcn.pth"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # which type depends on where the file is damaged
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} is not a readable checkpoint", expected=expected, found=reason) from error
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise InputError(f"{path} is not an STCN checkpoint", expected=expected, found=type(state).__name__)
    return state
