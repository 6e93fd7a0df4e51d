"""Synthetic clips: any length and size, exact masks, no file and no licence."""

from mobilevos.data.synthetic.clip import SyntheticClip
from mobilevos.data.synthetic.difficulty import PLAIN, Difficulty

__all__ = ["PLAIN", "Difficulty", "SyntheticClip"]
