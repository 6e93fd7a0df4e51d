"""Scores the masks of one sequence, frame by frame as they come."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mobilevos.data.sequence import Sequence
from mobilevos.errors import InputError
from mobilevos.evaluation.metrics import boundary_f, region_similarity, statistics
from mobilevos.evaluation.scores import ObjectScore, SequenceScore

__all__ = ["SequenceScorer", "score_sequence"]


class SequenceScorer:
    """Accumulates J and F of one sequence.

    Which frames and objects count is the sequence's to say (`Sequence.scored_objects`).

    Args:
        sequence: With the ground truth.

    Raises:
        InputError: No frame of the sequence can be scored, or a mask that gives an object cannot be read.
    """

    def __init__(self, sequence: Sequence) -> None:
        self.sequence = sequence
        self._wanted = sequence.scored_frames()
        if not self._wanted:
            expected = "annotated frames after the first mask"
            raise InputError(f"nothing to score in {sequence.name}", expected=expected)
        self._values: dict[int, dict[int, tuple[float, float]]] = {}

    def add(self, index: int, labels: NDArray[np.uint8]) -> None:
        """Scores the masks of one frame. One that does not count is passed over; one given again is rescored.

        Args:
            index: Of the frame.
            labels: `[H, W]`, uint8, object ids at the size of the frame; unknown ids are background.

        Raises:
            InputError: No such frame, masks of another size, or the ground truth cannot be read.
        """
        if not 0 <= index < len(self.sequence.frames):
            expected = f"{len(self.sequence.frames)} frames"
            raise InputError(f"masks of {self.sequence.name}", expected=expected, found=f"one for frame {index}")
        objects = self.sequence.scored_objects(index)
        truth = self.sequence.annotation(index) if objects else None
        if truth is None:
            return
        if labels.shape != truth.shape:
            what = f"masks of {self.sequence.name} frame {self.sequence.frames.names[index]}"
            raise InputError(what, expected=_size(truth), found=_size(labels))
        labels = self.sequence.merge(labels)
        self._values[index] = {
            object_id: (
                region_similarity(labels == object_id, truth == object_id),
                boundary_f(labels == object_id, truth == object_id),
            )
            for object_id in objects
        }

    def result(self) -> SequenceScore:
        """The score of the whole sequence.

        Raises:
            InputError: A frame that counts was not added.
        """
        missing = [index for index in self._wanted if index not in self._values]
        if missing:
            name = self.sequence.frames.names[missing[0]]
            expected = f"masks of {len(self._wanted)} frames"
            raise InputError(f"no masks of {self.sequence.name} frame {name}", expected=expected)
        return SequenceScore(self.sequence.name, tuple(self._objects()))

    def _objects(self) -> Iterable[ObjectScore]:
        for object_id in self.sequence.objects:
            values = [self._values[index][object_id] for index in self._wanted if object_id in self._values[index]]
            if values:  # an object whose first mask is on the last frame is never scored
                j, f = zip(*values, strict=True)
                category = self.sequence.categories.get(object_id)
                yield ObjectScore(object_id, len(values), statistics(j), statistics(f), category)


def score_sequence(predictions: Iterable[NDArray[np.uint8]], sequence: Sequence) -> SequenceScore:
    """Scores the masks of all frames of a sequence.

    Args:
        predictions: One `[H, W]` of object ids for each frame, in order.
        sequence: With the ground truth.

    Raises:
        InputError: As `SequenceScorer`.
    """
    scorer = SequenceScorer(sequence)
    for index, labels in enumerate(predictions):
        scorer.add(index, labels)
    return scorer.result()


def _size(labels: NDArray[np.uint8]) -> str:
    return "x".join(map(str, reversed(labels.shape)))
