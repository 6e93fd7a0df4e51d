"""The picture of what the student fears: the worst clips of the hardest conditions."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.failures import hardest_clips, main
from benchmarks.robustness import CONDITIONS, Result, to_json


@pytest.fixture
def results() -> list[dict]:
    """Conditions, each harder than the one before it, the second clip the worst of each."""
    return to_json([Result(one, (0.9 - 0.05 * n, 0.8 - 0.05 * n)) for n, one in enumerate(CONDITIONS)])


def test_the_worst_clip_of_each_of_the_hardest_conditions_is_taken(results):
    clips = hardest_clips(results, 3)
    names = list(dict.fromkeys(one.name for one in reversed(CONDITIONS)))[:3]
    assert [clip.title.rpartition(" ")[0] for clip in clips] == names
    assert {clip.seed for clip in clips} == {1}
    assert asdict(clips[0].difficulty) == asdict(CONDITIONS[-1].difficulty)
    assert clips[0].j_and_f == pytest.approx(0.8 - 0.05 * (len(CONDITIONS) - 1))


@pytest.mark.slow
def test_the_picture_shows_truth_and_masks(results, tmp_path: Path):
    report = tmp_path / "robustness.json"
    report.write_text(json.dumps({"results": results, "size": [64, 96], "frames": 6, "objects": 1}))
    assert main([str(report), "--number", "2", "--output", str(tmp_path / "failures.png")]) == 0
    with Image.open(tmp_path / "failures.png") as picture:
        assert picture.width > 6 * 96
        assert picture.height > 4 * 64


@pytest.mark.parametrize("content", ["", "[]", '{"results": [{}], "size": [1, 2], "frames": 3, "objects": 1}'])
def test_a_file_of_another_kind_is_one_line(content, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    report = tmp_path / "other.json"
    report.write_text(content)
    assert main([str(report)]) == 2
    assert "is no robustness report" in capsys.readouterr().err
