"""The clips of each stage."""

from __future__ import annotations

from mobilevos.data.clips import (
    ClipSource,
    MixedClips,
    SkipRamp,
    StaticConfig,
    StaticImages,
    VideoClips,
    VideoConfig,
)
from mobilevos.data.davis import Davis
from mobilevos.errors import InputError
from mobilevos.training.config import RunConfig

__all__ = ["build_source"]


def build_source(config: RunConfig) -> ClipSource:
    """The mixture of still images and video that the configuration asks for.

    Raises:
        InputError: A data set is not named or not there.
    """
    data = config.data
    parts: list[tuple[ClipSource, float]] = []
    if data.static_share > 0:
        if not data.static:
            raise InputError("no folders of still images", remedy="give data.static=[FOLDER,...]")
        stills = StaticConfig(frames=data.frames, crop=data.crop, max_objects=data.max_objects)
        parts.append((StaticImages(data.static, stills), data.static_share))
    if data.static_share < 1:
        if not data.davis.root:
            raise InputError("no DAVIS folder", remedy="give data.davis.root=FOLDER")
        samples = config.training.steps * config.training.batch_size
        low, high = data.davis.skip
        ramp = SkipRamp(low, high, max(1, samples // 2))
        sequences = Davis(data.davis.root, data.davis.year, "train").sequences()
        video = VideoConfig(frames=data.frames, crop=data.crop, max_objects=data.max_objects)
        parts.append((VideoClips(sequences, video, ramp), 1 - data.static_share))
    return MixedClips(parts)
