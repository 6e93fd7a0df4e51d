"""Frames, masks, data sets, video, synthetic clips; `clips` makes training clips of them."""

from mobilevos.data.bl30k import Bl30k
from mobilevos.data.davis import Davis
from mobilevos.data.frames import ImageFolder, read_image
from mobilevos.data.masks import read_mask, write_mask
from mobilevos.data.sequence import Sequence
from mobilevos.data.synthetic import SyntheticClip
from mobilevos.data.video import VideoReader, VideoWriter, open_frames
from mobilevos.data.youtube_vos import YouTubeVOS

__all__ = [
    "Bl30k",
    "Davis",
    "ImageFolder",
    "Sequence",
    "SyntheticClip",
    "VideoReader",
    "VideoWriter",
    "YouTubeVOS",
    "open_frames",
    "read_image",
    "read_mask",
    "write_mask",
]
