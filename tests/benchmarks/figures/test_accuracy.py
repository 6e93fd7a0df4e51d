"""Accuracy is what the evaluation measures, of every engine, and needs to be told where DAVIS lies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.__main__ import main
from benchmarks.figures import accuracy
from benchmarks.figures.accuracy import ACCURACY, TOLERANCE
from benchmarks.figures.figure import Setting
from benchmarks.figures.record import read_record
from export.targets import TARGETS
from mobilevos.commands.engine_options import TrackingSetup
from mobilevos.commands.tracked_evaluation import track_and_score
from mobilevos.data.davis import Davis


def test_every_engine_is_scored_as_evaluate_scores_it(
    small_davis: Path,
    random_checkpoint: Path,
    bundle_of: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setups = {
        "eager": TrackingSetup(checkpoint=random_checkpoint),
        "torchscript": TrackingSetup(bundle=bundle_of("torchscript"), isolated=False),
    }
    monkeypatch.setattr(accuracy, "_setups", lambda setting: setups)
    content = ACCURACY.measure(Setting(tmp_path, Console(), threads=1, davis=small_davis)).content
    assert content["sequences"] == 2
    assert content["frames"] == 8
    for name, setup in setups.items():
        scores = track_and_score(Davis(small_davis).sequences(), setup).scores
        found = content["engines"][name]
        assert (found["j_and_f"], found["j"], found["f"]) == (scores.j_and_f, scores.j.mean, scores.f.mean)


def test_the_text_has_a_row_for_every_engine_and_says_what_ran_elsewhere() -> None:
    engines = {
        "eager": {"j_and_f": 0.79, "j": 0.78, "f": 0.8, "note": ""},
        "coreml": {"j_and_f": 0.7904, "j": 0.7804, "f": 0.8004, "note": "not on a phone"},
    }
    text = ACCURACY.markdown({"resolution": "480p", "sequences": 12, "frames": 1000, "engines": engines})
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert rows[0] == ["float32", "J&F", "J", "F"]
    assert rows[2:] == [["eager", "79.00", "78.00", "80.00"], ["coreml", "79.04", "78.04", "80.04"]]
    assert "12 DAVIS 2016 validation sequences at hand (480p, 1,000 frames" in text
    assert "`coreml`: not on a phone." in text


def test_without_davis_nothing_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = tmp_path / "record.json"
    options = ["--only", "speed,accuracy", "--output", str(tmp_path / "out"), "--record", str(record)]
    assert main(["figures", *options]) == 2
    assert "--davis ROOT, or choose others by --only" in capsys.readouterr().err
    assert not record.exists()


def test_every_recorded_engine_has_the_accuracy_of_pytorch() -> None:
    engines = read_record()["accuracy"].content["engines"]
    assert set(engines) == {"eager", *(target.engine for target in TARGETS.values())}
    for name, one in engines.items():
        assert abs(one["j_and_f"] - engines["eager"]["j_and_f"]) <= TOLERANCE, name
