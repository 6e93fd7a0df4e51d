import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.loader import LoaderSpeed, Report, main
from mobilevos.data.masks import write_mask


@pytest.fixture
def stills(tmp_path: Path) -> Path:
    """Two noisy images, each with a box as its object."""
    root = tmp_path / "stills"
    (root / "images").mkdir(parents=True)
    for number in range(2):
        image = np.random.default_rng(number).integers(0, 256, (80, 100, 3), np.uint8)
        Image.fromarray(image).save(root / f"images/{number}.jpg")
        labels = np.zeros((80, 100), np.uint8)
        labels[20:60, 30:70] = 1
        write_mask(root / f"masks/{number}.png", labels)
    return root


@pytest.mark.parametrize(("waiting", "bottleneck"), [(0.0, False), (0.05, False), (0.06, True), (1.0, True)])
def test_a_loader_is_the_bottleneck_where_the_step_waits_beyond_the_limit(waiting: float, bottleneck: bool) -> None:
    idle, busy = LoaderSpeed(0, 10.0, 0.0), LoaderSpeed(2, 10.0, waiting)
    report = Report(clips_per_second=5.0, loaders=(idle, busy), configured=2)
    assert report.verdict is busy
    assert report.verdict.bottleneck is bottleneck


@pytest.mark.slow
def test_loader_and_step_are_measured_alone_and_together(
    stills: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "loader.json"
    run = ["stage=static", f"data.static=[{stills}]", "data.crop=64", "data.workers=1", "device=cpu"]
    status = main([*run, "training.batch_size=2", "training.threads=1", "--steps", "2", "--json", str(report)])
    facts = json.loads(report.read_text())
    assert status == int(facts["bottleneck"])
    assert [one["workers"] for one in facts["loaders"]] == [0, 1, 2]
    assert all(0 <= one["waiting"] <= 1 and one["clips_per_second"] > 0 for one in facts["loaders"])
    assert facts["loaders"][0]["waiting"] > 0  # it loads between the steps
    assert facts["clips_per_second"] > 0
    said = capsys.readouterr().out
    assert "data.workers=1: the step waits" in said
    assert ("is the bottleneck" in said) == facts["bottleneck"]


def test_missing_data_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stage=static", f"data.static=[{tmp_path / 'nowhere'}]"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "nowhere/images" in line
