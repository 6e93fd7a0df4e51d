"""Results of an evaluation: of an object, of a sequence, of a data set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from mobilevos.data.youtube_vos import SEEN_CATEGORIES
from mobilevos.evaluation.metrics import Statistics

__all__ = ["CategoryScore", "DatasetScore", "ObjectScore", "SequenceScore"]


@dataclass(frozen=True)
class ObjectScore:
    """One object over the scored frames of its sequence.

    Attributes:
        object_id: As in the masks.
        frames: Number of frames scored.
        j: Region similarity.
        f: Boundary accuracy.
        category: As the data set declares it, or None.
    """

    object_id: int
    frames: int
    j: Statistics
    f: Statistics
    category: str | None = None

    @property
    def j_and_f(self) -> float:
        """Mean of the means of J and F, 0..1."""
        return (self.j.mean + self.f.mean) / 2


@dataclass(frozen=True)
class SequenceScore:
    """One sequence: each statistic is the mean over its objects.

    Attributes:
        name: Of the sequence.
        objects: At least one.
    """

    name: str
    objects: tuple[ObjectScore, ...]

    @property
    def j(self) -> Statistics:
        """Region similarity."""
        return _mean(score.j for score in self.objects)

    @property
    def f(self) -> Statistics:
        """Boundary accuracy."""
        return _mean(score.f for score in self.objects)

    @property
    def j_and_f(self) -> float:
        """Mean of the means of J and F, 0..1."""
        return (self.j.mean + self.f.mean) / 2

    def to_json(self) -> dict[str, Any]:
        """As a dictionary that `json` takes."""
        objects = {
            str(score.object_id): {"category": score.category, "frames": score.frames, **_measures(score)}
            for score in self.objects
        }
        return {**_measures(self), "objects": objects}


@dataclass(frozen=True)
class CategoryScore:
    """The measure of YouTube-VOS: means over the objects of seen and of unseen categories, 0..1.

    Attributes:
        j_seen: Region similarity, categories of the training split.
        j_unseen: Region similarity, other categories.
        f_seen: Boundary accuracy, categories of the training split.
        f_unseen: Boundary accuracy, other categories.
    """

    j_seen: float
    j_unseen: float
    f_seen: float
    f_unseen: float

    @property
    def g(self) -> float:
        """The overall score G: the mean of the four."""
        return fmean((self.j_seen, self.j_unseen, self.f_seen, self.f_unseen))


@dataclass(frozen=True)
class DatasetScore:
    """All sequences: each statistic is the mean over all objects, as in the official code.

    Attributes:
        sequences: At least one.
    """

    sequences: tuple[SequenceScore, ...]

    @property
    def objects(self) -> tuple[ObjectScore, ...]:
        """The objects of all sequences."""
        return tuple(score for sequence in self.sequences for score in sequence.objects)

    @property
    def j(self) -> Statistics:
        """Region similarity."""
        return _mean(score.j for score in self.objects)

    @property
    def f(self) -> Statistics:
        """Boundary accuracy."""
        return _mean(score.f for score in self.objects)

    @property
    def j_and_f(self) -> float:
        """Mean of the means of J and F, 0..1."""
        return (self.j.mean + self.f.mean) / 2

    @property
    def categories(self) -> CategoryScore | None:
        """The measure of YouTube-VOS; None unless objects of both seen and unseen categories were scored."""
        declared = [score for score in self.objects if score.category is not None]
        seen = [score for score in declared if score.category in SEEN_CATEGORIES]
        unseen = [score for score in declared if score.category not in SEEN_CATEGORIES]
        if not seen or not unseen:
            return None
        return CategoryScore(
            j_seen=fmean(score.j.mean for score in seen),
            j_unseen=fmean(score.j.mean for score in unseen),
            f_seen=fmean(score.f.mean for score in seen),
            f_unseen=fmean(score.f.mean for score in unseen),
        )

    def to_json(self) -> dict[str, Any]:
        """As a dictionary that `json` takes; `categories` is there for YouTube-VOS alone."""
        result = {**_measures(self), "sequences": {score.name: score.to_json() for score in self.sequences}}
        if (categories := self.categories) is not None:
            result["categories"] = {"g": categories.g, **asdict(categories)}
        return result


def _mean(items: Iterable[Statistics]) -> Statistics:
    items = list(items)
    return Statistics(
        mean=fmean(item.mean for item in items),
        recall=fmean(item.recall for item in items),
        decay=fmean(item.decay for item in items),
    )


def _measures(score: ObjectScore | SequenceScore | DatasetScore) -> dict[str, Any]:
    return {"j_and_f": score.j_and_f, "j": asdict(score.j), "f": asdict(score.f)}
