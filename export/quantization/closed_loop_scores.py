"""J&F with the worst layers kept in float: whether what a single shot says holds in the tracking loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mobilevos.data.davis import Davis
from mobilevos.data.sequence import Sequence as AnnotatedSequence
from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.engine import Engine
from mobilevos.engines.int8_reference import Int8ReferenceEngine
from mobilevos.evaluation import DatasetScore, SequenceScore, SequenceScorer
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.stored import StoredQuantization
from mobilevos.tracking import Tracker

__all__ = ["closed_loop_scores", "davis_sequences"]


def davis_sequences(root: Path, names: str | None) -> list[AnnotatedSequence]:
    """The validation sequences of DAVIS 2016, or the named ones of them.

    Args:
        root: Of the data set.
        names: Separated by commas; None for all.

    Raises:
        InputError: There is no such data set or sequence.
    """
    dataset = Davis(root)
    wanted = dataset.names if names is None else [one.strip() for one in names.split(",") if one.strip()]
    return [dataset.sequence(name) for name in wanted]


def closed_loop_scores(
    network: MemoryNetwork,
    stored: StoredQuantization,
    worst: Sequence[str],
    sequences: Sequence[AnnotatedSequence],
    advance: Callable[[str, int], None] = lambda what, frames: None,
) -> dict[str, DatasetScore]:
    """J&F in float, in int8, and in int8 with the worst layers in float, by what runs.

    Args:
        network: A student.
        stored: Its ranges.
        worst: Layers to keep in float in the third run.
        sequences: At least one.
        advance: Called after each frame with what runs and 1.
    """
    kept = replace(stored.specification, float_layers=(*stored.specification.float_layers, *worst))
    engines: dict[str, Engine] = {
        "float": EagerEngine(network),
        "int8": Int8ReferenceEngine(network, stored),
        f"int8, worst {len(worst)} in float": Int8ReferenceEngine(network, replace(stored, specification=kept)),
    }
    return {
        name: DatasetScore(tuple(_score(one, engine, lambda: advance(name, 1)) for one in sequences))  # noqa: B023
        for name, engine in engines.items()
    }


def _score(sequence: AnnotatedSequence, engine: Engine, advance: Callable[[], None]) -> SequenceScore:
    scorer, tracker = SequenceScorer(sequence), Tracker(engine)
    for index, frame in enumerate(sequence.frames):
        scorer.add(index, tracker.step(frame, sequence.prompt(index)).labels.astype(np.uint8, copy=False))
        advance()
    return scorer.result()
