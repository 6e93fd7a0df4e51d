"""`mobilevos evaluate`: its scores are those of its own masks, on whole data sets alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobilevos.data.davis import Davis
from mobilevos.data.masks import read_mask, write_mask
from mobilevos.evaluation import score_folder
from mobilevos.files import sha256_of

Command = Callable[..., Any]
Refused = Callable[..., str]


def read(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.mark.parametrize(("year", "ids"), [(2016, {1}), (2017, {1, 7})])
def test_scores_are_those_of_the_masks_it_writes(
    mobilevos: Command, davis: Path, checkpoint: Path, tmp_path: Path, year: int, ids: set[int]
) -> None:
    masks, report = tmp_path / "masks", tmp_path / "report.json"
    weights = ("--year", year, "--checkpoint", checkpoint)
    outcome = mobilevos("evaluate", "davis", davis, *weights, "--masks", masks, "--json", report)
    assert (outcome.code, outcome.err) == (0, "")

    dataset = Davis(davis, year)
    expected = score_folder(masks, dataset, workers=1)
    assert read(report)["scores"] == expected.to_json()
    for sequence in dataset.sequences():
        written = [read_mask(path) for path in sorted((masks / sequence.name).iterdir())]
        assert len(written) == 5
        np.testing.assert_array_equal(written[0], sequence.annotation(0))
        assert set(np.unique(written)) <= {0} | ids

    score = f"J&F {100 * expected.j_and_f:.1f} "
    assert any(
        line.startswith(score) and f"2 sequences of DAVIS {year} val 480p" in line for line in outcome.out.splitlines()
    )
    assert "not on disk, and left out: 1 sequence (absent)" in outcome.out

    again = mobilevos(
        "evaluate", "davis", davis, "--year", year, "--predictions", masks, "--json", report, "--overwrite"
    )
    assert again.code == 0
    assert read(report)["scores"] == expected.to_json()
    assert "engine" not in read(report)


def test_the_twin_says_where_the_scores_come_from(
    mobilevos: Command, davis: Path, checkpoint: Path, tmp_path: Path
) -> None:
    options = ("--checkpoint", checkpoint, "--memory-every", 3, "--sequences", "squares,square")
    assert mobilevos("evaluate", "davis", davis, *options, "--json", tmp_path / "report.json").code == 0
    report = read(tmp_path / "report.json")
    assert report["command"] == "evaluate"
    assert report["dataset"] == {
        "name": "DAVIS 2016",
        "root": str(davis),
        "split": "val",
        "resolution": "480p",
        "missing": ["absent"],
    }
    assert report["engine"] == "eager-fp32"
    assert report["weights"] == {"checkpoint": str(checkpoint), "checkpoint_sha256": sha256_of(checkpoint)}
    assert report["memory"] == {"policy": "bounded", "every": 3}
    assert (report["frames"], report["workers"]) == (10, 1)
    assert report["tracking_fps"] == pytest.approx(10 / report["tracking_seconds"])
    assert list(report["scores"]["sequences"]) == ["squares", "square"]


def test_youtube_vos_gives_each_object_with_its_first_mask(
    mobilevos: Command, ytvos: Path, checkpoint: Path, tmp_path: Path
) -> None:
    masks = tmp_path / "masks"
    outputs = ("--masks", masks, "--json", tmp_path / "report.json")
    outcome = mobilevos("evaluate", "ytvos", ytvos, "--checkpoint", checkpoint, *outputs)
    assert outcome.code == 0
    written = [read_mask(path) for path in sorted((masks / "0a1b2c").iterdir())]
    assert len(written) == 6
    assert all(7 not in labels for labels in written[:2])
    late = read_mask(ytvos / "valid" / "Annotations" / "0a1b2c" / "00002.png")
    np.testing.assert_array_equal(written[2] == 7, late == 7)
    assert set(read(tmp_path / "report.json")["scores"]["sequences"]["0a1b2c"]["objects"]) == {"1", "7"}


def test_true_masks_score_100(mobilevos: Command, davis: Path) -> None:
    outcome = mobilevos("evaluate", "davis", davis, "--predictions", davis / "Annotations" / "480p")
    assert "J&F 100.0 (J 100.0, F 100.0) on 2 sequences of DAVIS 2016 val 480p" in outcome.out


@pytest.mark.slow
def test_two_processes_give_the_same_scores(mobilevos: Command, davis: Path, checkpoint: Path, tmp_path: Path) -> None:
    scores = []
    for workers in (1, 2):
        arguments = ("evaluate", "davis", davis, "--checkpoint", checkpoint, "--workers", workers)
        outcome = mobilevos(*arguments, "--json", tmp_path / f"{workers}.json", "--masks", tmp_path / str(workers))
        assert outcome.code == 0, outcome.err
        scores.append(read(tmp_path / f"{workers}.json")["scores"])
    assert scores[0] == scores[1]
    assert len(list((tmp_path / "2").rglob("*.png"))) == 10


@pytest.mark.slow
def test_an_error_in_a_process_is_one_line(refused: Refused, davis: Path, checkpoint: Path) -> None:
    frame = davis / "JPEGImages" / "480p" / "squares" / "00003.jpg"
    frame.write_bytes(frame.read_bytes()[:300])
    line = refused("evaluate", "davis", davis, "--checkpoint", checkpoint, "--workers", 2)
    assert str(frame) in line


@pytest.mark.parametrize("kind", ["JPEGImages", "Annotations"])
@pytest.mark.parametrize("place", ["squares", "squares/00002"])
def test_half_copied_data_stop_it_before_the_start(
    refused: Refused, davis: Path, checkpoint: Path, tmp_path: Path, kind: str, place: str
) -> None:
    gone = [path for path in (davis / kind / "480p").rglob("*.*") if place in str(path)]
    assert gone
    for path in gone:
        path.unlink()
    line = refused("evaluate", "davis", davis, "--checkpoint", checkpoint, "--masks", tmp_path / "masks")
    assert "squares" in line
    assert not (tmp_path / "masks").exists()


def test_a_sequence_without_objects_stops_it_before_the_start(
    refused: Refused, davis: Path, checkpoint: Path, tmp_path: Path
) -> None:
    write_mask(davis / "Annotations" / "480p" / "squares" / "00000.png", np.zeros((64, 96), np.uint8))
    line = refused("evaluate", "davis", davis, "--checkpoint", checkpoint, "--masks", tmp_path / "masks")
    assert "no object in squares" in line
    assert not (tmp_path / "masks").exists()


def test_a_frame_that_breaks_in_the_middle_keeps_the_masks_before(
    refused: Refused, davis: Path, checkpoint: Path, tmp_path: Path
) -> None:
    frame = davis / "JPEGImages" / "480p" / "squares" / "00003.jpg"
    frame.write_bytes(frame.read_bytes()[:300])
    line = refused("evaluate", "davis", davis, "--checkpoint", checkpoint, "--masks", tmp_path / "masks")
    assert str(frame) in line
    assert sorted(len(list(folder.iterdir())) for folder in (tmp_path / "masks").iterdir()) == [3, 5]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["davis", "nowhere"], "no DAVIS data set in nowhere"),
        (["ytvos", "nowhere"], "no YouTube-VOS data set in nowhere"),
        (["davis", "DAVIS", "--year", "2018"], "2016 or 2017"),
        (["davis", "DAVIS", "--split", "test"], "test.txt is missing"),
        (["davis", "DAVIS", "--resolution", "1080p"], "1080p"),
        (["davis", "DAVIS", "--sequences", "square,circle"], "'circle'"),
        (["davis", "DAVIS", "--sequences", ","], "--sequences names none"),
        (["davis", "DAVIS", "--predictions", "nowhere"], "no folder nowhere"),
        (["davis", "DAVIS", "--predictions", "DAVIS", "--bundle", "b"], "leave out --bundle"),
        (["davis", "DAVIS", "--predictions", "DAVIS", "--masks", "m"], "leave out --masks"),
        (["davis", "DAVIS", "--checkpoint", "nothing.safetensors"], "no checkpoint at nothing.safetensors"),
        (
            ["davis", "DAVIS", "--engine", "litert"],
            "build/bundles/tflite holds none; make one with `python -m export.tflite`",
        ),
    ],
)
def test_what_cannot_be_used_is_named(
    refused: Refused, davis: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], word: str
) -> None:
    monkeypatch.chdir(davis.parent)
    assert word in refused("evaluate", *arguments)


def test_an_existing_output_stops_it_before_the_work(refused: Refused, davis: Path, tmp_path: Path) -> None:
    weights = ("--checkpoint", tmp_path / "none.safetensors")
    (tmp_path / "scores.json").write_text("of value")
    write_mask(tmp_path / "masks" / "square" / "00000.png", np.ones((64, 96), np.uint8))
    for option, name in (("--json", "scores.json"), ("--masks", "masks")):
        assert "pass --overwrite" in refused("evaluate", "davis", davis, *weights, option, tmp_path / name)
    assert (tmp_path / "scores.json").read_text() == "of value"


def test_the_data_set_is_never_overwritten(refused: Refused, davis: Path, tmp_path: Path) -> None:
    for kind in ("Annotations", "JPEGImages"):
        target = davis / kind / "480p"
        assert "the path of an input" in refused("evaluate", "davis", davis, "--masks", target, "--overwrite")


@pytest.mark.data
@pytest.mark.slow
def test_published_masks_get_their_official_scores(mobilevos: Command, data_root: Path) -> None:
    predictions = data_root / "metric_reference" / "osvos"
    outcome = mobilevos(
        "evaluate", "davis", data_root / "davis2016", "--predictions", predictions, "--sequences", "dog,libby"
    )
    assert outcome.code == 0
    official = (data_root / "metric_reference" / "osvos_davis2016_official_scores.csv").read_text().splitlines()
    rows = {row.split(",")[0]: row.split(",")[2:4] for row in official[1:]}
    for name in ("dog", "libby"):
        row = next(line for line in outcome.out.splitlines() if name in line)
        j, f = (f"{100 * float(value):.1f}" for value in rows[name])
        assert j in row
        assert f in row
