"""Synthetic clips: any length and size, exact masks, no file and no licence."""

from mobilevos.data.synthetic.clip import SyntheticClip

__all__ = ["SyntheticClip"]
