"""The network over a training clip: as in tracking, each frame is read from memory and then memorised."""

from __future__ import annotations

import torch
from torch import Tensor

from mobilevos.model.aggregation import aggregate_logits
from mobilevos.model.encoders import QueryFeatures
from mobilevos.model.network import MemoryNetwork

__all__ = ["clip_logits", "object_masks"]


def object_masks(labels: Tensor, objects: int) -> Tensor:
    """One mask per object, `[B, O, H, W]` float32, from ids `[B, H, W]`; object i has id i + 1."""
    ids = torch.arange(1, objects + 1, device=labels.device).view(1, objects, 1, 1)
    return (labels[:, None] == ids).float()


def clip_logits(network: MemoryNetwork, frames: Tensor, first_masks: Tensor, valid: Tensor) -> Tensor:
    """Aggregated logits of every frame but the first.

    Frame t is read from the memory of frames 0 to t-1: the first with its given masks, the others with what the
    network itself made of them, so that it learns to live with its own errors.

    Args:
        network: Student or light teacher.
        frames: `[B, T, 3, H, W]`, RGB in 0..1.
        first_masks: `[B, O, H, W]`, 0 or 1.
        valid: `[B, O]` bool, the objects that each clip has.

    Returns:
        `[B, T-1, O+1, H, W]`, background first.
    """
    B, T = frames.shape[:2]
    encoded = network.encode_query(frames.flatten(0, 1).contiguous(memory_format=torch.channels_last))
    # Objects that a clip does not have cost nothing: what follows runs over the P pairs of clip and object.
    clips, slots = valid.nonzero(as_tuple=True)
    queries = [
        QueryFeatures(*(feature.view(B, T, *feature.shape[1:])[clips, t] for feature in encoded)) for t in range(T)
    ]
    masks, keys, values, logits = first_masks, [], [], []
    for t in range(1, T):
        others = (masks.sum(1, keepdim=True) - masks)[clips, slots, None]
        value = network.encode_memory(queries[t - 1], masks[clips, slots, None], others)
        keys.append(queries[t - 1].key)
        values.append(value[:, None])
        readout = network.read_memory(queries[t].key, torch.stack(keys, 2), torch.stack(values, 3))
        own = network.decode(readout, queries[t])[:, 0]
        all_objects = own.new_zeros(B, valid.shape[1], *own.shape[1:]).index_put((clips, slots), own)
        logits.append(aggregate_logits(all_objects, valid))
        masks = logits[-1].softmax(1)[:, 1:] * valid[..., None, None]
    return torch.stack(logits, 1)
