"""Folders of predicted masks: equal to the official scores, in parallel, without torch."""

import csv
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mobilevos.data.davis import Davis
from mobilevos.data.masks import write_mask
from mobilevos.errors import InputError
from mobilevos.evaluation import score_folder

H, W = 20, 30
NAMES = ("goat", "camel", "cows")


@pytest.fixture
def dataset(tmp_path: Path, write_clip) -> Davis:
    labels = np.zeros((H, W), np.uint8)
    labels[5:10, 5:15] = 1
    root = tmp_path / "davis"
    for length, name in enumerate(NAMES, start=4):
        masks = {f"{index:05}": labels for index in range(length)}
        write_clip(root / "JPEGImages/480p" / name, root / "Annotations/480p" / name, masks)
    (root / "ImageSets/2016").mkdir(parents=True)
    (root / "ImageSets/2016/val.txt").write_text("\n".join(NAMES))
    return Davis(root)


@pytest.fixture
def predictions(tmp_path: Path, dataset: Davis) -> Path:
    """The ground truth of the frames that count, moved down by a pixel for each sequence in turn."""
    root = tmp_path / "predictions"
    for shift, sequence in enumerate(dataset.sequences()):
        for index in sequence.scored_frames():
            labels = np.roll(sequence.annotation(index), shift, axis=0)
            write_mask(root / sequence.name / f"{sequence.frames.names[index]}.png", labels)
    return root


def test_sequences_come_in_the_order_of_the_data_set(dataset: Davis, predictions: Path) -> None:
    scores = score_folder(predictions, dataset, workers=1)
    assert [score.name for score in scores.sequences] == list(NAMES)
    assert [score.j.mean for score in scores.sequences] == [1.0, pytest.approx(4 / 6), pytest.approx(3 / 7)]


def test_two_processes_give_the_same_as_one(dataset: Davis, predictions: Path) -> None:
    assert score_folder(predictions, dataset, workers=2) == score_folder(predictions, dataset, workers=1)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_missing_prediction_is_named_from_any_process(dataset: Davis, predictions: Path, workers: int) -> None:
    (predictions / "cows/00002.png").unlink()
    with pytest.raises(InputError, match=r"cannot read image .*cows/00002\.png; found No such file") as caught:
        score_folder(predictions, dataset, workers=workers)
    assert str(caught.value).count("found") == 1


def test_a_folder_that_is_not_there_is_refused(dataset: Davis, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder .*gone; expected predicted masks"):
        score_folder(tmp_path / "gone", dataset)


def test_scoring_does_not_load_torch() -> None:
    code = "import mobilevos.evaluation, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.data
def test_scores_equal_the_official_ones_in_under_30_seconds(data_root: Path) -> None:
    reference = data_root / "metric_reference"
    with (reference / "osvos_davis2016_official_scores.csv").open() as file:
        official = {row["sequence"]: row for row in csv.DictReader(file)}
    start = time.perf_counter()
    scores = score_folder(reference / "osvos", Davis(data_root / "davis2016"), workers=2)
    seconds = time.perf_counter() - start
    assert [score.name for score in scores.sequences] == list(official)
    for score in scores.sequences:
        assert score.j.mean == pytest.approx(float(official[score.name]["J_mean"]), abs=1e-4), score.name
        assert score.f.mean == pytest.approx(float(official[score.name]["F_mean"]), abs=1e-4), score.name
    assert scores.j.mean == pytest.approx(0.7278, abs=1e-4)
    assert scores.f.mean == pytest.approx(0.7889, abs=1e-4)
    assert seconds < 30
