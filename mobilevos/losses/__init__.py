"""The training losses, as pure functions. Each is a mean over the samples of the batch."""

from mobilevos.losses.boundary import boundary_mask, sample_pixels
from mobilevos.losses.logit import logit_distillation_loss
from mobilevos.losses.representation import representation_loss
from mobilevos.losses.segmentation import dice_loss, poly1_cross_entropy

__all__ = [
    "boundary_mask",
    "dice_loss",
    "logit_distillation_loss",
    "poly1_cross_entropy",
    "representation_loss",
    "sample_pixels",
]
