"""Tracking a few sequences with the averaged weights: how far a run has come, in J&F and as a picture."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevos.data.davis import Davis
from mobilevos.data.sequence import Sequence
from mobilevos.engines.engine import Engine
from mobilevos.errors import InputError
from mobilevos.evaluation import DatasetScore, SequenceScore, SequenceScorer
from mobilevos.files import atomic_write_text
from mobilevos.tracking import Tracker
from mobilevos.tracking.memory_bank import POLICIES
from mobilevos.training.distributed import Ranks
from mobilevos.training.schema import ValidationConfig
from mobilevos.visualization import contact_sheet, overlay, write_image

__all__ = ["Validation", "validation_sequences"]

COLUMNS = 5
"""Frames of each sequence in the picture."""

Picture = NDArray[np.uint8]


def validation_sequences(config: ValidationConfig) -> list[Sequence]:
    """The sequences that the configuration names, cut to the frames that it allows.

    Raises:
        InputError: The tree is missing or incomplete, or has no sequence of a name.
    """
    if not config.root:
        return []
    known = {sequence.name: sequence for sequence in Davis(config.root, config.year, config.split).sequences()}
    unknown = [name for name in config.sequences if name not in known]
    if unknown:
        raise InputError(f"no sequence {unknown[0]} in {config.root}", expected=f"one of the split {config.split}")
    chosen = [known[name] for name in config.sequences or known]
    return [sequence.head(config.frames) if config.frames else sequence for sequence in chosen]


@dataclass(frozen=True)
class _Tracked:
    score: SequenceScore
    pictures: list[Picture]


class Validation:
    """Tracks sequences, and writes `step-NNNNNN.json` and `.png` into the folder `validation` of a run.

    Args:
        sequences: From `validation_sequences`.
        config: How they are tracked.
        folder: Of the run.
        ranks: The sequences are divided among them.
    """

    def __init__(self, sequences: list[Sequence], config: ValidationConfig, folder: Path, ranks: Ranks) -> None:
        self.sequences, self.config, self.ranks = sequences, config, ranks
        self.folder = folder / "validation"

    def due(self, step: int, *, last: bool) -> bool:
        """Whether it is time for one after so many steps; after the last step it always is."""
        return bool(self.sequences) and (last or (self.config.every > 0 and step % self.config.every == 0))

    def best(self, *, before: int) -> float:
        """The best J&F of the validations before a step; -1 if there was none."""
        results = [_score_of(path) for path in sorted(self.folder.glob("step-*.json"))]
        return max((score for step, score in results if step < before), default=-1.0)

    def run(self, engine: Engine, step: int) -> float:
        """The J&F of an engine, 0..1; every process gets the same."""
        tracker = Tracker(engine, policy=POLICIES[self.config.memory])
        mine = [self._track(tracker, sequence) for sequence in self.ranks.share(self.sequences)]
        tracked = self.ranks.gather(mine)
        score = DatasetScore(tuple(one.score for one in tracked))
        if self.ranks.first:
            name = f"step-{step:06d}"
            atomic_write_text(
                self.folder / f"{name}.json", json.dumps({"step": step, **score.to_json()}, indent=2) + "\n"
            )
            rows = {one.score.name: one.pictures for one in tracked}
            columns = [f"{100 * place // (COLUMNS - 1)} %" for place in range(COLUMNS)]
            write_image(self.folder / f"{name}.png", contact_sheet(rows, columns))
        return float(score.j_and_f)

    def _track(self, tracker: Tracker, sequence: Sequence) -> _Tracked:
        scorer, pictures = SequenceScorer(sequence), []
        shown = np.linspace(0, len(sequence.frames) - 1, COLUMNS).round().astype(int).tolist()
        tracker.reset()
        for index, frame in enumerate(sequence.frames):
            prompt = sequence.prompt(index)
            small = _shrunk(frame, self.config.resize, cv2.INTER_AREA)
            mask = None if prompt is None else _shrunk(prompt, self.config.resize, cv2.INTER_NEAREST)
            labels = tracker.step(small, mask).labels.astype(np.uint8)
            size = (frame.shape[1], frame.shape[0])
            scorer.add(index, cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8))
            pictures += [overlay(small, labels)] * shown.count(index)
        return _Tracked(scorer.result(), pictures)


def _score_of(path: Path) -> tuple[int, float]:
    """The step and J&F of a validation that `Validation.run` wrote."""
    try:
        result = json.loads(path.read_text())
        return int(result["step"]), float(result["j_and_f"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged", found=type(error).__name__, remedy="delete it") from error


def _shrunk(picture: Picture, shorter: int, interpolation: int) -> Picture:
    """With its shorter side at most `shorter` pixels; 0 for no bound."""
    height, width = picture.shape[:2]
    factor = shorter / min(height, width) if shorter else 1.0
    if factor >= 1:
        return picture
    size = (round(width * factor), round(height * factor))
    shrunk: Picture = cv2.resize(picture, size, interpolation=interpolation).astype(np.uint8)
    return shrunk
