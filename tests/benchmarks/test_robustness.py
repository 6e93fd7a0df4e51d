import json
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import robustness
from benchmarks.robustness import CONDITIONS, Condition, Result, main, score_clip, to_table
from mobilevos.data.synthetic import PLAIN, Difficulty, SyntheticClip
from mobilevos.engines import open_engine
from mobilevos.evaluation.metrics import boundary_f, region_similarity
from mobilevos.tracking import Tracker, track

HARD = Condition("fog", "2x", Difficulty(speed=2))


def test_every_property_has_a_few_strengths_and_nothing_comes_twice() -> None:
    assert CONDITIONS[0].difficulty == PLAIN
    assert len({condition.difficulty for condition in CONDITIONS}) == len(CONDITIONS)
    names = [condition.name for condition in CONDITIONS[1:]]
    assert all(2 <= names.count(name) <= 3 for name in names)


def test_the_table_compares_with_the_first_row() -> None:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(to_table([Result(CONDITIONS[0], (0.9, 0.7)), Result(HARD, (0.5, 0.3))], "title"))
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in capture.get().splitlines() if "│" in line]
    assert rows == [["plain", "-", "80.0", "10.0", "70.0", "+0.0"], ["fog", "2x", "40.0", "10.0", "30.0", "-40.0"]]


def test_a_clip_is_scored_from_its_second_frame_to_the_last_but_one(checkpoint: Path) -> None:
    clip = SyntheticClip(2, 5, (64, 96), 1)
    tracker = Tracker(open_engine("eager", checkpoint=checkpoint, threads=1))
    masks = [segmentation.labels == 1 for segmentation in track(clip, clip.mask(0), tracker)]
    truths = [clip.mask(t) == 1 for t in range(5)]
    scores = [
        (region_similarity(mask, truth) + boundary_f(mask, truth)) / 2
        for mask, truth in zip(masks[1:4], truths[1:4], strict=True)
    ]
    assert score_clip(tracker, clip, 1) == pytest.approx(sum(scores) / 3)
    assert 0 < sum(scores) / 3 < 1


def test_the_program_prints_writes_and_draws(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(robustness, "CONDITIONS", (CONDITIONS[0], HARD))
    monkeypatch.setattr(robustness, "FRAMES", 4)
    monkeypatch.setattr(robustness, "SIZE", (64, 96))
    report, picture = tmp_path / "new" / "r.json", tmp_path / "r.png"
    arguments = ["--checkpoint", str(checkpoint), "--seeds", "2", "--json", str(report), "--output", str(picture)]
    assert main(arguments) == 0
    assert "fog" in capsys.readouterr().out
    content = json.loads(report.read_text())
    assert (content["seeds"], content["frames"], content["size"]) == (2, 4, [64, 96])
    assert content["weights"]["checkpoint"] == str(checkpoint)
    assert [len(result["j_and_f"]) for result in content["results"]] == [2, 2]
    assert all(0 <= value <= 1 for result in content["results"] for value in result["j_and_f"])
    assert content["results"][1]["condition"]["difficulty"]["speed"] == 2
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_outputs_and_weights_are_checked_before_the_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", str(tmp_path)]) == 2
    assert "found a folder" in capsys.readouterr().err
    assert main(["--checkpoint", "nowhere.safetensors"]) == 2
    assert "no checkpoint at nowhere.safetensors" in capsys.readouterr().err
