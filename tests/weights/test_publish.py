"""The shipped student and its card say the same thing."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from mobilevos.data import Davis
from mobilevos.errors import InputError
from mobilevos.files import sha256_of
from mobilevos.model import load_network
from mobilevos.quantization.stored import load_stored
from mobilevos.weights import default_checkpoint, default_int8_checkpoint, publish
from mobilevos.weights.card import EVIDENCE, ShippedFile, render_card
from mobilevos.weights.publish import CARD, FLOAT_FILE, FOLDER, INT8_FILE, read_evidence, shipped_card

MEGABYTE = 1e6
UNCHANGED = ("scores", "other", "robustness", "ablation", "int8_ladder")


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


def recipe(evidence: dict, ablation: dict) -> str:
    files = {
        name: ShippedFile(FOLDER / file, "", {}) for name, file in (("checkpoint", FLOAT_FILE), ("int8", INT8_FILE))
    }
    return render_card("{int8_recipe}", evidence | {"int8_ablation": ablation}, **files)


def test_the_card_says_where_the_shipped_recipe_stands_in_the_ablation(evidence: dict) -> None:
    ablation = {
        "settings": {"alone": ["stage=qat", "losses.logit=0"], "both": ["stage=qat"]},
        "results": [{"name": "alone", "j_and_f": [0.7, 0.72]}, {"name": "both", "j_and_f": [0.7, 0.69]}],
        "verdict": "",
    }
    said = recipe(evidence, ablation)
    assert said.startswith(
        "The shipped student's recipe is `both`, not the best of these: 69.5 beside 71.0 of `alone`."
    )
    assert "was not recorded" in said
    ablation["results"][1]["j_and_f"] = [0.8, 0.8]
    said = recipe(evidence, ablation | {"overrides": ["training.steps=60"]})
    assert said == "The shipped student's recipe is `both`, the best of these. All runs shared `training.steps=60`."


def test_what_all_runs_of_an_ablation_shared_is_kept_without_folders_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "FOLDER", tmp_path)
    monkeypatch.setattr(publish, "shipped_card", lambda: "")
    given = ["init=/home/me/runs/student.safetensors", "data.static=[/data/a,b]", "training.steps=60"]
    report = {"overrides": given, "settings": {}, "results": [], "verdict": ""}
    (tmp_path / "ablation.json").write_text(json.dumps(report))
    publish.card(int8_ablation=tmp_path / "ablation.json", **dict.fromkeys(UNCHANGED))
    kept = json.loads((tmp_path / "mobilenet_v2.int8_ablation.json").read_text())
    assert kept["overrides"] == ["init=student.safetensors", "data.static=[a,b]", "training.steps=60"]
    assert set(kept) == set(report)


def test_the_ranking_of_layers_is_of_the_shipped_student_and_goes_as_far_as_the_tracking_loop(evidence: dict) -> None:
    ranking = evidence["int8_sensitivity"]
    assert ranking["checkpoint_sha256"] == sha256_of(default_checkpoint())
    losses = [one["alone"]["logits_db"] for one in ranking["layers"]]
    assert losses == sorted(losses)
    in_float, _, worst_in_float = ranking["closed_loop"].values()
    assert in_float["j_and_f"] == pytest.approx(evidence["scores"]["scores"]["j_and_f"], abs=1e-3)
    assert set(worst_in_float["sequences"]) == set(evidence["scores"]["scores"]["sequences"])


def test_a_ranking_of_another_network_or_without_scores_is_not_published(
    evidence: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(FOLDER / FLOAT_FILE, tmp_path)
    monkeypatch.setattr(publish, "FOLDER", tmp_path)
    ranking = tmp_path / "ranking.json"
    for changed, said in (({"checkpoint_sha256": "0" * 64}, "another checkpoint"), ({"closed_loop": {}}, "no scores")):
        ranking.write_text(json.dumps(evidence["int8_sensitivity"] | changed))
        with pytest.raises(InputError, match=said):
            publish.card(int8_sensitivity=ranking, **dict.fromkeys(UNCHANGED))


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
