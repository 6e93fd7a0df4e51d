"""Training clips from annotated video: DAVIS 2016 and 2017, YouTube-VOS, BL30K."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mobilevos.data.clips.composition import compose
from mobilevos.data.clips.configuration import VideoConfig
from mobilevos.data.clips.reading import LabelledImage, read_labelled
from mobilevos.data.clips.sample import TrainingClip
from mobilevos.data.sequence import AnnotatedVideos, Sequence
from mobilevos.errors import InputError

__all__ = ["SkipRamp", "VideoClips"]

KEPT_OPEN = 256
"""Sequences kept open at the most: all of DAVIS, and some 10 MB of file names of longer ones."""


@dataclass(frozen=True)
class SkipRamp:
    """A curriculum: the largest step between two frames of a clip grows linearly along the run.

    Attributes:
        first: Largest step at sample 0, in annotated frames.
        last: Largest step from sample `samples` on, in annotated frames.
        samples: Length of the ramp.
    """

    first: int = 1
    last: int = 20
    samples: int = 4000

    def __post_init__(self) -> None:
        for name in ("first", "last", "samples"):
            if getattr(self, name) < 1:
                raise InputError(f"skip.{name}", expected="at least 1", found=str(getattr(self, name)))

    def __call__(self, n: int) -> int:
        """The largest step at sample `n`."""
        return round(self.first + (self.last - self.first) * min(1.0, n / self.samples))


class VideoClips:
    """T annotated frames of a sequence at random steps, forwards or backwards, all cropped alike.

    A clip takes the objects that its first frame shows. A sequence is opened when it is drawn, and some are kept: to
    hold the file names of a large data set in every loader process would cost gigabytes.

    Args:
        videos: A training split, as `Davis(root, 2016, "train")`; sequences with fewer than T annotated frames are
            passed over.
        config: All ranges.
        max_skip: Largest step between two frames of sample n, in annotated frames.
    """

    def __init__(self, videos: AnnotatedVideos, config: VideoConfig, max_skip: Callable[[int], int]) -> None:
        self.videos, self.config, self.max_skip = videos, config, max_skip
        self._opened: dict[str, Sequence] = {}

    def draw(self, n: int, rng: np.random.Generator) -> TrainingClip:
        """Draws a clip.

        Raises:
            InputError: A file is missing or corrupt, or no usable object was met in sequences of T annotated frames.
        """
        for _ in range(self.config.attempts):
            sequence = self._any_sequence(rng)
            if len(sequence.annotations) < self.config.frames:
                continue
            picked = self._pick(n, rng, sorted(sequence.annotations))
            names = [sequence.frames.names[index] for index in picked]
            clip = compose(
                rng,
                [self._read(sequence, index) for index in picked],
                lambda: self._any_frame(rng),
                self.config,
                f"{sequence.name}/{','.join(names)}",
            )
            if clip is not None:
                return clip
        raise InputError(
            f"training video, {self.videos.names[0]} among it",
            expected=f"{self.config.frames} annotated frames, and on the first an object of {self.config.min_pixels} "
            f"pixels in a crop of {self.config.crop}",
            found=f"none in {self.config.attempts} draws",
        )

    def _pick(self, n: int, rng: np.random.Generator, annotated: list[int]) -> list[int]:
        """Frame indices, ascending or (played backwards) descending."""
        gaps = self.config.frames - 1
        longest = max(1, min(self.max_skip(n), (len(annotated) - 1) // max(gaps, 1)))
        offsets = np.concatenate([[0], np.cumsum(rng.integers(1, longest + 1, gaps))])
        places = offsets + rng.integers(len(annotated) - offsets[-1])
        backwards = rng.random() < self.config.reverse_probability
        return [annotated[place] for place in (places[::-1] if backwards else places)]

    def _any_frame(self, rng: np.random.Generator) -> LabelledImage:
        sequence = self._any_sequence(rng)
        return self._read(sequence, int(rng.choice(sorted(sequence.annotations))))

    def _any_sequence(self, rng: np.random.Generator) -> Sequence:
        name = self.videos.names[int(rng.integers(len(self.videos.names)))]
        if name not in self._opened:
            if len(self._opened) == KEPT_OPEN:
                self._opened.clear()
            self._opened[name] = self.videos.sequence(name)
        return self._opened[name]

    def _read(self, sequence: Sequence, index: int) -> LabelledImage:
        labels = sequence.annotation(index)
        assert labels is not None, "only annotated frames are picked"
        return read_labelled(sequence.frames.paths[index], labels, self.config.crop)
