"""Tracks the sequences of a data set and scores each as it goes: nothing but masks that are wanted is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Sequence as Items
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from signal import SIG_DFL, SIGINT, signal
from time import perf_counter
from typing import Any

import cv2
import numpy as np

from mobilevos.commands.engine_options import TrackingSetup
from mobilevos.data.masks import write_mask
from mobilevos.data.sequence import Sequence
from mobilevos.engines import Engine
from mobilevos.errors import InputError
from mobilevos.evaluation import DatasetScore, SequenceScore, SequenceScorer
from mobilevos.tracking import Tracker
from mobilevos.tracking.frame_fit import fit_frames

__all__ = ["TrackedScores", "check_sequences", "track_and_score"]

Advance = Callable[[int], None]
"""Counts further frames as done."""


@dataclass(frozen=True)
class TrackedScores:
    """What came out.

    Attributes:
        scores: Sequences in the order in which they were given.
        frames: Frames tracked.
        seconds: Time inside the tracker, without reading, writing and scoring; of all processes together.
        provenance: See `TrackingSetup.provenance`.
    """

    scores: DatasetScore
    frames: int
    seconds: float
    provenance: dict[str, Any]


def check_sequences(sequences: Iterable[Sequence]) -> None:
    """Checks what can be known before hours of tracking: first frames and masks are there, and something counts.

    Raises:
        InputError: A sequence's first frame or the masks that give its objects cannot be read, or nothing in it
            can be scored.
    """
    for sequence in sequences:
        SequenceScorer(sequence)


def track_and_score(
    sequences: Items[Sequence],
    setup: TrackingSetup,
    *,
    masks: Path | None = None,
    overwrite: bool = False,
    workers: int = 1,
    advance: Advance = lambda frames: None,
) -> TrackedScores:
    """Tracks each sequence from its given masks and scores it. Masks are complete up to an error.

    Args:
        sequences: At least one.
        setup: Of the tracking. With several workers each has one thread if it does not say otherwise.
        masks: Folder to write `<sequence>/<frame>.png` into; None for none.
        overwrite: Whether masks may be replaced.
        workers: Processes, each with an engine of its own. More than 1 are spawned: a script must guard its own
            start by `if __name__ == "__main__"`.
        advance: Told of frames as they are done; with several workers of whole sequences.

    Raises:
        InputError: The engine cannot be opened or does not take a sequence's frames; a frame or mask cannot be
            read; an output cannot be written; a worker was killed.
    """
    if workers > 1 and setup.threads is None:
        setup = replace(setup, threads=1)
    engine = setup.open_engine()  # with several workers, too: what is wrong with it shows before they start
    for sequence in sequences:
        _check_fit(sequence, engine, setup)
    provenance = setup.provenance(engine)
    if workers == 1:
        tracker = setup.tracker(engine)
        tracked = [_track_one(sequence, tracker, masks, overwrite, advance) for sequence in sequences]
    else:
        del engine
        tracked = _track_in_processes(sequences, setup, masks, overwrite, workers, advance)
    scores = DatasetScore(tuple(one.score for one in tracked))
    return TrackedScores(scores, sum(one.frames for one in tracked), sum(one.seconds for one in tracked), provenance)


@dataclass(frozen=True)
class _TrackedSequence:
    score: SequenceScore
    frames: int
    seconds: float


def _check_fit(sequence: Sequence, engine: Engine, setup: TrackingSetup) -> None:
    try:
        fit_frames(sequence.frames.size, engine.info, resize=setup.resize)
    except InputError as error:
        what = f"sequence {sequence.name}: {error.what}"
        raise InputError(what, expected=error.expected, found=error.found, remedy=error.remedy) from error


def _track_one(
    sequence: Sequence, tracker: Tracker, masks: Path | None, overwrite: bool, advance: Advance
) -> _TrackedSequence:
    scorer = SequenceScorer(sequence)
    tracker.reset()
    seconds = 0.0
    for index, frame in enumerate(sequence.frames):
        prompt = sequence.prompt(index)
        start = perf_counter()
        labels = tracker.step(frame, prompt).labels.astype(np.uint8, copy=False)  # ids of 8-bit masks
        seconds += perf_counter() - start
        scorer.add(index, labels)
        if masks is not None:
            write_mask(masks / sequence.name / f"{sequence.frames.names[index]}.png", labels, overwrite=overwrite)
        advance(1)
    return _TrackedSequence(scorer.result(), len(sequence.frames), seconds)


def _track_in_processes(
    sequences: Items[Sequence],
    setup: TrackingSetup,
    masks: Path | None,
    overwrite: bool,
    workers: int,
    advance: Advance,
) -> list[_TrackedSequence]:
    # The longest first, so that no process is left alone with one at the end.
    order = sorted(range(len(sequences)), key=lambda place: -len(sequences[place].frames))
    context = get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(sequences)), mp_context=context, initializer=_start_worker) as pool:
        places = {pool.submit(_track_in_worker, sequences[place], setup, masks, overwrite): place for place in order}
        try:
            by_place = {}
            for future in as_completed(places):
                by_place[places[future]] = tracked = future.result()
                advance(tracked.frames)
        except BrokenProcessPool as error:
            remedy = "if memory was short, give fewer --workers: each holds a network"
            raise InputError("a worker process was killed", remedy=remedy) from error
        finally:
            pool.shutdown(cancel_futures=True)
    return [by_place[place] for place in range(len(sequences))]


def _start_worker() -> None:
    signal(SIGINT, SIG_DFL)  # Ctrl-C ends a worker without a traceback; the parent says what happened
    cv2.setNumThreads(1)


def _track_in_worker(sequence: Sequence, setup: TrackingSetup, masks: Path | None, overwrite: bool) -> _TrackedSequence:
    return _track_one(sequence, _worker_tracker(setup), masks, overwrite, lambda frames: None)


@cache
def _worker_tracker(setup: TrackingSetup) -> Tracker:
    """One for each worker process: opening an engine takes longer than many a sequence."""
    return setup.tracker(setup.open_engine())
