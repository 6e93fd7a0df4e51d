"""The shipped student and its card say the same thing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mobilevos.data import Davis
from mobilevos.files import sha256_of
from mobilevos.model import load_network
from mobilevos.quantization.stored import load_stored
from mobilevos.weights import default_checkpoint, default_int8_checkpoint
from mobilevos.weights.card import EVIDENCE, ShippedFile, render_card
from mobilevos.weights.publish import CARD, FLOAT_FILE, FOLDER, INT8_FILE, read_evidence, shipped_card

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


def test_the_card_is_rendered_from_what_was_measured() -> None:
    assert (FOLDER / CARD).read_text() == shipped_card()


def test_the_int8_student_is_small_holds_ranges_and_is_what_was_measured(evidence: dict) -> None:
    shipped = default_int8_checkpoint()
    assert shipped is not None
    assert shipped.stat().st_size <= 3 * MEGABYTE
    assert load_stored(shipped).ranges
    rungs = {one["kind"]: one for one in evidence["int8_ladder"]["rungs"]}
    assert rungs["reference"]["provenance"]["weights"]["checkpoint_sha256"] == sha256_of(shipped)
    assert rungs["float"]["provenance"]["weights"]["checkpoint_sha256"] == sha256_of(default_checkpoint())


def test_every_rung_of_the_ladder_is_of_the_shipped_int8_weights(evidence: dict) -> None:
    """A ladder that is older than the weights is of another file, whose hash is another."""
    shipped = default_int8_checkpoint()
    assert shipped is not None
    trained = [one for one in evidence["int8_ladder"]["rungs"] if one["kind"] in ("reference", "runtime")]
    assert len(trained) >= 5
    assert {one["provenance"]["weights"]["checkpoint_sha256"] for one in trained} == {sha256_of(shipped)}


def test_the_card_shows_what_every_component_keeps_in_int8(evidence: dict) -> None:
    rungs = [
        one | {"sqnr_db": {"read_memory": None, "segment": 17.06} if one["kind"] == "runtime" else {}}
        for one in evidence["int8_ladder"]["rungs"]
    ]
    fields = {
        name: ShippedFile(FOLDER / file, "", {}) for name, file in (("checkpoint", FLOAT_FILE), ("int8", INT8_FILE))
    }
    card = render_card("{int8_sqnr}", evidence | {"int8_ladder": {"rungs": rungs, "gates": []}}, **fields)
    assert card.splitlines()[0] == "| rung | read_memory | segment |"
    assert "| executorch | equal | 17.1 |" in card
    assert "float32" not in card


def test_every_runtime_keeps_its_limits_in_int8(evidence: dict) -> None:
    assert {one["target"] for one in evidence["int8_ladder"]["rungs"]} >= {"executorch", "tflite", "coreml", "onnx"}
    assert [one for one in evidence["int8_ladder"]["gates"] if not one["passed"]] == []


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
