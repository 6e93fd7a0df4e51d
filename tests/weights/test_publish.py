"""The shipped student and its card say the same thing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mobilevos.data import Davis
from mobilevos.files import sha256_of
from mobilevos.model import load_network
from mobilevos.model.checkpoint import read_metadata
from mobilevos.weights import default_checkpoint
from mobilevos.weights.publish import CARD, FOLDER, SCORES, render_card

MEGABYTE = 1e6


@pytest.fixture(scope="module")
def scores() -> dict:
    return json.loads((FOLDER / SCORES).read_text())


def test_the_shipped_student_is_small_and_loads() -> None:
    assert default_checkpoint().stat().st_size <= 6 * MEGABYTE
    assert load_network(default_checkpoint(), expected_variant="mobilenet_v2").config.name == "mobilenet_v2"


def test_the_scores_are_those_of_the_shipped_file(scores: dict) -> None:
    assert scores["checkpoint_sha256"] == sha256_of(default_checkpoint())


def test_the_card_is_rendered_from_the_scores(scores: dict) -> None:
    template = (FOLDER / "MODEL_CARD.template.md").read_text()
    provenance = read_metadata(default_checkpoint())["provenance"]
    assert (FOLDER / CARD).read_text() == render_card(template, provenance, scores, default_checkpoint())


def test_it_really_tracks(scores: dict) -> None:
    assert len(scores["scores"]["sequences"]) == 12
    assert scores["scores"]["j_and_f"] >= 0.60


@pytest.mark.data
@pytest.mark.slow
def test_the_scores_can_be_had_again(scores: dict, data_root: Path) -> None:
    """One whole sequence, tracked and scored anew, gives what the card says of it."""
    from mobilevos.engines import open_engine
    from mobilevos.evaluation import SequenceScorer
    from mobilevos.tracking import Tracker

    sequence = Davis(data_root / "davis2016").sequence("libby")
    tracker, scorer = Tracker(open_engine("eager")), SequenceScorer(sequence)
    for index, frame in enumerate(sequence.frames):
        scorer.add(index, tracker.step(frame, sequence.prompt(index)).labels)
    assert scorer.result().j_and_f == pytest.approx(scores["scores"]["sequences"]["libby"]["j_and_f"], abs=0.005)
