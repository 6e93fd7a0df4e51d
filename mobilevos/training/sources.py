"""The clips of each stage: still images and video, mixed in the shares that the configuration gives them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from mobilevos.data.bl30k import Bl30k
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
from mobilevos.data.sequence import AnnotatedVideos
from mobilevos.data.youtube_vos import YouTubeVOS
from mobilevos.errors import InputError
from mobilevos.training.schema import Bl30kConfig, DataConfig, DavisConfig, RunConfig, YouTubeVosConfig

__all__ = ["VideoSource", "build_source", "video_sources"]


@dataclass(frozen=True)
class VideoSource:
    """A video data set that the configuration names.

    Attributes:
        name: Its key under `data`.
        root: Its folder.
        share: Share of all clips of the run that come from it, 0..1.
        skip: Annotated frames (low, high) between two of a clip, grown over the first half of the run.
        open: Opens its training split; raises InputError where it is not there.
    """

    name: str
    root: str
    share: float
    skip: tuple[int, int]
    open: Callable[[], AnnotatedVideos]


def video_sources(data: DataConfig) -> list[VideoSource]:
    """The video data sets whose folder is given; none is opened yet."""
    davis, youtube, bl30k = data.davis, data.youtube_vos, data.bl30k
    named: list[tuple[str, DavisConfig | YouTubeVosConfig | Bl30kConfig, Callable[[], AnnotatedVideos]]] = [
        ("davis", davis, partial(Davis, davis.root, davis.year, "train")),
        ("youtube_vos", youtube, partial(YouTubeVOS, youtube.root, "train")),
        ("bl30k", bl30k, partial(Bl30k, bl30k.root)),
    ]
    given = [one for one in named if one[1].root]
    total = sum(settings.share for _, settings, _ in given)
    video_share = (1 - data.static_share) / total if total else 0.0
    return [
        VideoSource(name, settings.root, settings.share * video_share, settings.skip, opener)
        for name, settings, opener in given
    ]


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
    videos = [source for source in video_sources(data) if source.share > 0]
    if data.static_share < 1 and not videos:
        keys = "data.davis.root=FOLDER, data.youtube_vos.root=FOLDER or data.bl30k.root=FOLDER"
        raise InputError("no folder of video with a share above 0", remedy=f"give {keys}")
    video = VideoConfig(frames=data.frames, crop=data.crop, max_objects=data.max_objects)
    samples = config.training.steps * config.training.batch_size
    for source in videos:
        low, high = source.skip
        ramp = SkipRamp(low, high, max(1, samples // 2))
        parts.append((VideoClips(source.open(), video, ramp), source.share))
    return MixedClips(parts)
