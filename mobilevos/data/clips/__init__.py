"""Training clips: still images and annotated video, cropped, moved, recoloured and pasted together."""

from mobilevos.data.clips.configuration import (
    BlurConfig,
    ClipConfig,
    ColourConfig,
    MotionConfig,
    PasteConfig,
    StaticConfig,
    VideoConfig,
)
from mobilevos.data.clips.loader import MixedClips, training_loader
from mobilevos.data.clips.sample import ClipBatch, ClipDataset, ClipSource, TrainingClip, collate
from mobilevos.data.clips.static import StaticImages
from mobilevos.data.clips.video import SkipRamp, VideoClips

__all__ = [
    "BlurConfig",
    "ClipBatch",
    "ClipConfig",
    "ClipDataset",
    "ClipSource",
    "ColourConfig",
    "MixedClips",
    "MotionConfig",
    "PasteConfig",
    "SkipRamp",
    "StaticConfig",
    "StaticImages",
    "TrainingClip",
    "VideoClips",
    "VideoConfig",
    "collate",
    "training_loader",
]
