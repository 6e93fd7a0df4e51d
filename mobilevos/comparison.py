"""Several engines on the same clips, frame by frame: how far their masks agree, and how near each is to the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobilevos.data import sequence as annotated
from mobilevos.errors import InputError
from mobilevos.evaluation import DatasetScore, SequenceScore, SequenceScorer
from mobilevos.evaluation.agreement import frame_iou, summarise
from mobilevos.tracking import Tracker

__all__ = ["Clip", "ComparedFrame", "Comparison", "Contender", "Standing", "annotated_clip"]

Labels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Clip:
    """What is tracked.

    Attributes:
        name: For people and files.
        frames: With their times.
        prompt: The mask that is given with a frame, by its index, or None.
        sequence: With the ground truth; None where there is none.
    """

    name: str
    frames: Iterable[tuple[float | None, NDArray[np.uint8]]]
    prompt: Callable[[int], Labels | None]
    sequence: annotated.Sequence | None = None


def annotated_clip(sequence: annotated.Sequence) -> Clip:
    """A sequence of a data set."""
    return Clip(sequence.name, ((None, frame) for frame in sequence.frames), sequence.prompt, sequence)


@dataclass(frozen=True, eq=False)
class Contender:
    """An engine at work.

    Attributes:
        name: Unique among those that are compared.
        tracker: Over the engine.
        facts: For reports, e.g. the target, precision and size of a bundle; must be JSON.
    """

    name: str
    tracker: Tracker
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ComparedFrame:
    """One frame as all contenders see it.

    Attributes:
        time: Seconds at which it is shown, or None.
        frame: `[H, W, 3]`, uint8, RGB.
        labels: Object ids `[H, W]` of each contender, in their order.
    """

    time: float | None
    frame: NDArray[np.uint8]
    labels: tuple[Labels, ...]


@dataclass(frozen=True)
class Standing:
    """What came out for one contender.

    Attributes:
        name: Of the contender.
        facts: Of the contender.
        scores: Against the ground truth; None where no clip has any.
        mean_iou: Of its masks and the first contender's, over all frames but those whose masks were given, 0..1.
        worst_iou: Of the frame where they agree least.
        worst_frame: That frame, as `clip:index`.
        milliseconds: Of a step, mean. Contenders take turns in one process, so it is no benchmark.
    """

    name: str
    facts: dict[str, Any]
    scores: DatasetScore | None
    mean_iou: float
    worst_iou: float
    worst_frame: str
    milliseconds: float

    def to_json(self) -> dict[str, Any]:
        """For reports of other programs."""
        return asdict(self) | {"scores": None if self.scores is None else self.scores.to_json()}


@dataclass
class _Tally:
    ious: list[float] = field(default_factory=list)
    scores: list[SequenceScore] = field(default_factory=list)
    seconds: float = 0.0


class Comparison:
    """Tracks clips with several engines in turn. The first is what the others' masks are compared with.

    Args:
        contenders: At least two, of different names.

    Raises:
        InputError: There are fewer.
    """

    def __init__(self, contenders: Sequence[Contender]) -> None:
        if len(contenders) < 2:
            raise InputError("nothing to compare", expected="at least two engines", found=str(len(contenders)))
        self._contenders = contenders
        self._tallies = [_Tally() for _ in contenders]
        self._frames: list[str] = []
        self._steps = 0

    def track(self, clip: Clip) -> Iterator[ComparedFrame]:
        """Tracks a clip with every contender, a frame each in turn, and counts what comes out.

        Raises:
            InputError: A frame cannot be read, or an engine does not take it.
        """
        scorers = [SequenceScorer(clip.sequence) for _ in self._contenders] if clip.sequence is not None else []
        for one in self._contenders:
            one.tracker.reset()
        for index, (time, frame) in enumerate(clip.frames):
            prompt = clip.prompt(index)
            labels = tuple(self._step(number, frame, prompt) for number in range(len(self._contenders)))
            for scorer, own in zip(scorers, labels, strict=False):
                scorer.add(index, own)
            if prompt is None:
                self._compare(labels, f"{clip.name}:{index}")
            self._steps += 1
            yield ComparedFrame(time, frame, labels)
        for scorer, tally in zip(scorers, self._tallies, strict=False):
            tally.scores.append(scorer.result())

    def _step(self, number: int, frame: NDArray[np.uint8], prompt: Labels | None) -> Labels:
        started = perf_counter()
        segmentation = self._contenders[number].tracker.step(frame, prompt)
        labels: Labels = segmentation.labels.astype(np.uint8, copy=False)  # ids of 8-bit masks
        self._tallies[number].seconds += perf_counter() - started
        return labels

    def _compare(self, labels: tuple[Labels, ...], frame: str) -> None:
        ids = self._contenders[0].tracker.ids
        for tally, own in zip(self._tallies, labels, strict=True):
            tally.ious.append(frame_iou(own, labels[0], ids))
        self._frames.append(frame)

    def standings(self) -> tuple[Standing, ...]:
        """What came out, in the contenders' order.

        Raises:
            InputError: Every frame's mask was given, so that nothing was tracked.
        """
        if not self._frames:
            raise InputError("nothing to compare", expected="clips of more frames than their given masks")
        return tuple(self._standing(one, tally) for one, tally in zip(self._contenders, self._tallies, strict=True))

    def _standing(self, contender: Contender, tally: _Tally) -> Standing:
        agreement = summarise(tally.ious, self._frames)
        return Standing(
            contender.name,
            contender.facts,
            DatasetScore(tuple(tally.scores)) if tally.scores else None,
            agreement.mean,
            agreement.worst,
            agreement.worst_frame,
            1000 * tally.seconds / self._steps,
        )
