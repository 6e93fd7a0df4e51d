"""`mobilevos evaluate` and `mobilevos compare` take a bundle in int8 as any other, and score it alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from mobilevos.cli import main
from mobilevos.commands.compare import REPORT
from mobilevos.data.masks import write_mask
from mobilevos.data.synthetic import SyntheticClip

pytestmark = [pytest.mark.executorch, pytest.mark.onnx, pytest.mark.slow]


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    """One sequence of DAVIS 2016, four small frames of one object."""
    clip = SyntheticClip(seed=3, length=4, size=(64, 96), objects=1)
    for kind in ("JPEGImages", "Annotations"):
        (tmp_path / "davis" / kind / "480p" / "clip").mkdir(parents=True)
    for index, frame in enumerate(clip):
        Image.fromarray(frame).save(tmp_path / f"davis/JPEGImages/480p/clip/{index:05d}.jpg")
        write_mask(tmp_path / f"davis/Annotations/480p/clip/{index:05d}.png", clip.mask(index))
    (tmp_path / "davis/ImageSets/2016").mkdir(parents=True)
    (tmp_path / "davis/ImageSets/2016/val.txt").write_text("clip\n")
    return tmp_path / "davis"


def test_a_bundle_in_int8_is_scored_and_compared_with_pytorch(
    int8_bundle_of: Callable[[str], Path],
    int8_checkpoint: Path,
    davis: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bundle, scores, output = str(int8_bundle_of("onnx")), tmp_path / "scores.json", tmp_path / "comparison"
    assert main(["evaluate", "davis", str(davis), "--bundle", bundle, "--json", str(scores)]) == 0
    evaluated = json.loads(scores.read_text())
    assert 0.5 < evaluated["scores"]["j_and_f"] <= 1

    given = ["--davis", str(davis), "--checkpoint", str(int8_checkpoint), "--output", str(output)]
    assert main(["compare", bundle, *given]) == 0
    assert "onnx int8" in capsys.readouterr().out.replace("\n", " ")
    eager, own = json.loads((output / REPORT).read_text())["engines"]
    assert (eager["facts"]["precision"], own["facts"]["precision"]) == ("fp32", "int8")
    assert own["scores"]["j_and_f"] == pytest.approx(evaluated["scores"]["j_and_f"])
    assert 0.8 < own["mean_iou"] < 1  # near the network in float, and not it
