"""The tracking loop and its memory. It knows an engine, and no network."""

from mobilevos.tracking.memory_bank import FIRST_AND_LATEST, UNBOUNDED, MemoryBank, MemoryPolicy
from mobilevos.tracking.segmentation import Segmentation
from mobilevos.tracking.tracker import Tracker, track

__all__ = [
    "FIRST_AND_LATEST",
    "UNBOUNDED",
    "MemoryBank",
    "MemoryPolicy",
    "Segmentation",
    "Tracker",
    "track",
]
