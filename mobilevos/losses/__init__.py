"""The training losses, as pure functions."""

from mobilevos.losses.segmentation import dice_loss, poly1_cross_entropy

__all__ = ["dice_loss", "poly1_cross_entropy"]
