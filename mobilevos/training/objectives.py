"""What a stage minimises: the supervised losses of a clip, and those of a teacher beside them."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from mobilevos.losses import (
    boundary_mask,
    dice_loss,
    logit_distillation_loss,
    poly1_cross_entropy,
    representation_loss,
    sample_pixels,
)
from mobilevos.model.network import SpaceTimeMemory
from mobilevos.training.clip_forward import ClipOutput, object_masks, run_clip
from mobilevos.training.clips import Clips
from mobilevos.training.schema import LossConfig

__all__ = ["Distillation", "Objective", "Supervised"]


class Objective(Protocol):
    """The losses of a batch. Every one is a mean over clips, so that parts of a batch average to the whole."""

    def __call__(
        self, output: ClipOutput, clips: Clips, progress: float, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Computes the losses.

        Args:
            output: The student's.
            clips: What it was run on.
            progress: Of the run, 0..1.
            generator: Draws what is drawn.

        Returns:
            `loss` (to be minimised) and its parts, scalars.
        """


class Supervised:
    """Poly-1 cross entropy on the hardest pixels, and Dice.

    Bootstrapping sets in gradually: first all pixels count, later only the hardest.
    """

    def __init__(self, config: LossConfig) -> None:
        self.config = config

    def __call__(
        self, output: ClipOutput, clips: Clips, progress: float, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """See `Objective`."""
        config, frames = self.config, output.logits.shape[1]
        start, end = config.hardest_ramp
        ramp = min(1.0, max(0.0, (progress - start) / max(end - start, 1e-9)))
        hardest = 1 + (config.hardest - 1) * ramp
        logits, labels = output.logits.flatten(0, 1), clips.labels[:, 1:].flatten(0, 1)
        cross_entropy = poly1_cross_entropy(logits, labels, epsilon=config.poly_epsilon, hardest=hardest)
        losses = {"loss": cross_entropy, "cross_entropy": cross_entropy}
        if config.dice:
            masks = object_masks(labels, clips.valid.shape[1])
            dice = dice_loss(logits.softmax(1)[:, 1:], masks, clips.valid.repeat_interleave(frames, 0))
            losses |= {"loss": cross_entropy + config.dice * dice, "dice": dice}
        return losses


class Distillation:
    """The supervised losses, and a teacher's: its decoder features and its logits (MobileVOS, sections 3.2 to 3.4).

    Args:
        config: Weights and constants.
        teacher: In evaluation mode; it is run on the student's clips, on its own masks.
    """

    def __init__(self, config: LossConfig, teacher: SpaceTimeMemory) -> None:
        self.config, self.teacher, self.supervised = config, teacher, Supervised(config)

    def __call__(
        self, output: ClipOutput, clips: Clips, progress: float, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """See `Objective`."""
        config = self.config
        with torch.no_grad():
            taught = run_clip(self.teacher, clips.frames, clips.first_masks, clips.valid)
        losses = self.supervised(output, clips, progress, generator)
        if config.representation:
            losses["representation"] = self._representation(output, taught, clips, generator)
            losses["loss"] = losses["loss"] + config.representation * losses["representation"]
        if config.logit:
            losses["logit"] = self._logit(output, taught, clips)
            losses["loss"] = losses["loss"] + config.logit * losses["logit"]
        return losses

    def _representation(
        self, output: ClipOutput, taught: ClipOutput, clips: Clips, generator: torch.Generator
    ) -> Tensor:
        """Each object's features in each frame, at sampled pixels of stride 4."""
        labels = _pair_labels(clips, output.features.shape[-2:])  # [P * (T-1), h4, w4]
        where = boundary_mask(labels, radius=self.config.boundary_radius)
        if self.config.sampling == "uniform":
            where = torch.ones_like(where)
        pixels = sample_pixels(where, self.config.pixels, generator)
        picked = labels.flatten(1).gather(1, pixels)
        return representation_loss(
            _take(output.features, pixels), _take(taught.features, pixels), picked, omega=self.config.omega
        )

    def _logit(self, output: ClipOutput, taught: ClipOutput, clips: Clips) -> Tensor:
        labels = clips.labels[:, 1:].flatten(0, 1)
        where = boundary_mask(labels, radius=self.config.boundary_radius)
        if self.config.sampling == "uniform":
            where = torch.ones_like(where)
        return logit_distillation_loss(
            output.logits.flatten(0, 1),
            taught.logits.flatten(0, 1),
            where,
            temperature=self.config.temperature,
            scale=self.config.scale_by_temperature,
        )


def _pair_labels(clips: Clips, size: torch.Size) -> Tensor:
    """1 on the object and 0 elsewhere, of each pair of clip and object and each frame but the first."""
    batch, slots = clips.valid.nonzero(as_tuple=True)
    own = clips.labels[batch, 1:] == (slots + 1).view(-1, 1, 1, 1)
    return F.interpolate(own.float(), size=size, mode="nearest-exact").flatten(0, 1).long()


def _take(features: Tensor, pixels: Tensor) -> Tensor:
    """`[P, T-1, C, h, w]` at `pixels [P * (T-1), N]`: `[P * (T-1), N, C]`."""
    flat = features.flatten(0, 1).flatten(2).transpose(1, 2)
    return flat.gather(1, pixels[..., None].expand(-1, -1, flat.shape[2]))
