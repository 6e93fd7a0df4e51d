"""A batch of clips as the losses take it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mobilevos.data.clips import ClipBatch
from mobilevos.training.clip_forward import object_masks

__all__ = ["Clips", "to_device"]


class Clips(NamedTuple):
    """Clips on the training device.

    Attributes:
        frames: `[B, T, 3, H, W]` float32, RGB in 0..1.
        labels: `[B, T, H, W]` int64, 0..O.
        valid: `[B, O]` bool.
    """

    frames: Tensor
    labels: Tensor
    valid: Tensor

    @property
    def first_masks(self) -> Tensor:
        """The given masks, `[B, O, H, W]` float32."""
        return object_masks(self.labels[:, 0], self.valid.shape[1])


def to_device(batch: ClipBatch, device: torch.device) -> Clips:
    """Moves a batch; objects that no clip of it has cost nothing from here on."""
    objects = max(1, int(batch.valid.sum(1).max()))
    frames = batch.frames.to(device, non_blocking=True).float() / 255
    return Clips(frames, batch.labels.to(device).long(), batch.valid[:, :objects].to(device))
