"""The shipped student and its card say the same thing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mobilevos.data import Davis
from mobilevos.files import sha256_of
from mobilevos.model import load_network
from mobilevos.model.checkpoint import read_metadata
from mobilevos.weights import default_checkpoint
from mobilevos.weights.card import EVIDENCE, render_card
from mobilevos.weights.publish import CARD, FOLDER, TEMPLATE, read_evidence

MEGABYTE = 1e6


@pytest.fixture(scope="module")
def evidence() -> dict:
    return read_evidence()


@pytest.fixture(scope="module")
def scores(evidence: dict) -> dict:
    return evidence["scores"]


def test_the_shipped_student_is_small_and_loads() -> None:
    assert default_checkpoint().stat().st_size <= 6 * MEGABYTE
    assert load_network(default_checkpoint(), expected_variant="mobilenet_v2").config.name == "mobilenet_v2"


@pytest.mark.parametrize("name", ["scores", "robustness"])
def test_what_was_measured_is_of_the_shipped_file(name: str, evidence: dict) -> None:
    assert evidence[name]["checkpoint_sha256"] == sha256_of(default_checkpoint())


def test_no_path_of_a_machine_is_shipped(evidence: dict) -> None:
    assert set(evidence) == set(EVIDENCE)
    assert not re.findall(r'"(/|[A-Z]:)[^"]*"', json.dumps(evidence))


def test_the_card_is_rendered_from_what_was_measured(evidence: dict) -> None:
    template = (FOLDER / TEMPLATE).read_text()
    provenance = read_metadata(default_checkpoint())["provenance"]
    assert (FOLDER / CARD).read_text() == render_card(template, provenance, evidence, default_checkpoint())


def test_it_really_tracks(scores: dict) -> None:
    assert len(scores["scores"]["sequences"]) == 12
    assert scores["scores"]["j_and_f"] >= 0.72


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
