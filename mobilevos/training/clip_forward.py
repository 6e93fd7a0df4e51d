"""The network over a training clip: as in tracking, each frame is read from memory and then memorised."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mobilevos.model.aggregation import aggregate_logits
from mobilevos.model.encoders import QueryFeatures
from mobilevos.model.network import SpaceTimeMemory

__all__ = ["ClipForward", "ClipOutput", "clip_logits", "object_masks", "run_clip"]


class ClipOutput(NamedTuple):
    """What a network makes of a batch of clips.

    Attributes:
        logits: `[B, T-1, O+1, H, W]`, aggregated, background first, of every frame but the first.
        features: Decoder features `[P, T-1, C4, H/4, W/4]` of the P pairs of clip and object, in `valid`'s order.
    """

    logits: Tensor
    features: Tensor


def object_masks(labels: Tensor, objects: int) -> Tensor:
    """One mask per object, `[B, O, H, W]` float32, from ids `[B, H, W]`; object i has id i + 1."""
    ids = torch.arange(1, objects + 1, device=labels.device).view(1, objects, 1, 1)
    return (labels[:, None] == ids).float()


def run_clip(network: SpaceTimeMemory, frames: Tensor, first_masks: Tensor, valid: Tensor) -> ClipOutput:
    """Runs a network over clips.

    Frame t is read from the memory of frames 0 to t-1: the first with its given masks, the others with what the
    network itself made of them, so that it learns to live with its own errors.

    Args:
        network: Student or teacher.
        frames: `[B, T, 3, H, W]`, RGB in 0..1.
        first_masks: `[B, O, H, W]`, 0 or 1.
        valid: `[B, O]` bool, the objects that each clip has.
    """
    B, T = frames.shape[:2]
    encoded = network.encode_query(frames.flatten(0, 1).contiguous(memory_format=torch.channels_last))
    # Objects that a clip does not have cost nothing: what follows runs over the P pairs of clip and object.
    clips, slots = valid.nonzero(as_tuple=True)
    queries = [
        QueryFeatures(*(feature.view(B, T, *feature.shape[1:])[clips, t] for feature in encoded)) for t in range(T)
    ]
    masks, keys, values, logits, features = first_masks, [], [], [], []
    for t in range(1, T):
        others = (masks.sum(1, keepdim=True) - masks)[clips, slots, None]
        value = network.encode_memory(queries[t - 1], masks[clips, slots, None], others)
        keys.append(queries[t - 1].key)
        values.append(value[:, None])
        readout = network.read_memory(queries[t].key, torch.stack(keys, 2), torch.stack(values, 3))
        decoded, own = network.decode_with_features(readout, queries[t])
        features.append(decoded)
        # Aggregation and what follows it in float32, under automatic mixed precision too.
        own = own[:, 0].float()
        all_objects = own.new_zeros(B, valid.shape[1], *own.shape[1:]).index_put((clips, slots), own)
        logits.append(aggregate_logits(all_objects, valid))
        masks = logits[-1].softmax(1)[:, 1:] * valid[..., None, None]
    return ClipOutput(torch.stack(logits, 1), torch.stack(features, 1))


def clip_logits(network: SpaceTimeMemory, frames: Tensor, first_masks: Tensor, valid: Tensor) -> Tensor:
    """The logits of `run_clip` alone."""
    return run_clip(network, frames, first_masks, valid).logits


class ClipForward(nn.Module):
    """`run_clip` as a module, which is what DistributedDataParallel can wrap."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor, first_masks: Tensor, valid: Tensor) -> ClipOutput:
        """See `run_clip`."""
        return run_clip(self.network, frames, first_masks, valid)  # type: ignore[arg-type]
