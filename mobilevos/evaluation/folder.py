"""Scores a folder of predicted masks against a data set, sequences in parallel."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

import cv2

from mobilevos.data.masks import read_mask
from mobilevos.data.sequence import Sequence
from mobilevos.errors import InputError
from mobilevos.evaluation.scorer import SequenceScorer
from mobilevos.evaluation.scores import DatasetScore, SequenceScore

__all__ = ["Dataset", "score_folder"]


class Dataset(Protocol):
    """What is scored against: `Davis` and `YouTubeVOS` are such."""

    def sequences(self) -> list[Sequence]:
        """The sequences to score."""
        ...


def score_folder(predictions_root: Path | str, dataset: Dataset, workers: int | None = None) -> DatasetScore:
    """Scores `<predictions_root>/<sequence>/<frame>.png`, the layout of DAVIS and YouTube-VOS submissions.

    Args:
        predictions_root: Holds a folder of masks, named as the frames, for each sequence.
        dataset: With the ground truth.
        workers: Processes, each on one sequence at a time; the number of cores when not given. With 1 the
            work is done in this process. More are spawned: a script must guard its own start by
            `if __name__ == "__main__"`.

    Returns:
        The scores, sequences in the order of the data set.

    Raises:
        InputError: A prediction is missing, unreadable or of another size, or the data set is at fault.
    """
    root = Path(predictions_root)
    if not root.is_dir():
        raise InputError(f"no folder {root}", expected="predicted masks")
    sequences = dataset.sequences()
    workers = min(workers or os.cpu_count() or 1, len(sequences))
    if workers == 1:
        return DatasetScore(tuple(_score_one(root, sequence) for sequence in sequences))
    # The longest first, so that no process is left alone with one at the end.
    order = sorted(range(len(sequences)), key=lambda place: -len(sequences[place].frames))
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        scores = pool.map(_score_one, [root] * len(order), [sequences[place] for place in order])
        by_place = dict(zip(order, scores, strict=True))
    return DatasetScore(tuple(by_place[place] for place in range(len(sequences))))


def _score_one(root: Path, sequence: Sequence) -> SequenceScore:
    scorer = SequenceScorer(sequence)
    for index in sequence.scored_frames():
        scorer.add(index, read_mask(root / sequence.name / f"{sequence.frames.names[index]}.png"))
    return scorer.result()
