"""`mobilevos compare`: a table, a video and JSON, and one line for what is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mobilevos.commands.compare import REPORT
from mobilevos.data.video import VideoReader

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def bundle(bundle_of: Callable[[str], Path]) -> Path:
    return bundle_of("torchscript")


@pytest.fixture
def twin(bundle: Path, tmp_path: Path) -> Path:
    """The same bundle at another place."""
    folder = tmp_path / "twin"
    shutil.copytree(bundle, folder)
    return folder


def test_a_clip_is_shown_side_by_side_with_pytorch_first(
    bundle: Path, random_checkpoint: Path, clip: Any, mobilevos: Command, tmp_path: Path
) -> None:
    output = tmp_path / "comparison"
    given = ["--video", clip.video, "--mask", clip.mask, "--checkpoint", random_checkpoint, "--output", output]
    outcome = mobilevos("compare", bundle, *given)
    assert outcome.code == 0, outcome.err
    assert "torchscript fp32" in outcome.out.replace("\n", " ")
    report = json.loads((output / REPORT).read_text())
    assert report["reference"] == "eager fp32"
    eager, own = report["engines"]
    assert (eager["facts"]["bytes"], eager["scores"]) == (None, None)
    assert own["facts"]["bytes"] > 1_000_000
    assert own["mean_iou"] > 0.99  # in float32, the same network
    video = VideoReader(report["videos"]["clip"])
    assert len(list(video)) == len(clip.frames)
    assert video.size[1] > 2 * 96
    assert mobilevos("compare", bundle, *given).code == 2  # it is there already
    assert mobilevos("compare", bundle, *given, "--overwrite").code == 0


def test_on_davis_each_is_scored(bundle: Path, twin: Path, davis: Path, mobilevos: Command, tmp_path: Path) -> None:
    output = tmp_path / "comparison"
    outcome = mobilevos("compare", bundle, twin, "--davis", davis, "--no-isolated", "--output", output)
    assert outcome.code == 0, outcome.err
    report = json.loads((output / REPORT).read_text())
    one, other = report["engines"]
    assert one["name"] == report["reference"] == str(bundle)  # of one kind, so they are told by their folders
    assert one["scores"] == other["scores"]
    assert set(one["scores"]["sequences"]) == {"square", "squares"}
    assert (other["mean_iou"], other["worst_iou"]) == (1, 1)
    assert sorted(path.name for path in output.iterdir()) == [REPORT, "square.mp4", "squares.mp4"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "nothing to track; expected --davis or --video"),
        (["--davis", "D", "--video", "V"], "too much to track"),
        (["--davis", "D", "--mask", "M"], "--mask with --davis"),
        (["--davis", "nowhere"], "no DAVIS data set in nowhere"),
        (["--video", "V"], "--video without --mask"),
        (["--video", "V", "--mask", "M", "--sequences", "dog"], "--sequences with --video"),
        (["--video", "nowhere.mp4", "--mask", "M"], "nowhere.mp4"),
    ],
)
def test_bad_options_end_with_one_line(options: list[str], words: str, bundle: Path, refused: Command) -> None:
    assert words in refused("compare", bundle, *options)


def test_a_bundle_alone_and_a_bundle_twice_are_refused(bundle: Path, clip: Any, refused: Command) -> None:
    given = ["--video", clip.video, "--mask", clip.mask]
    assert "at least two engines" in refused("compare", bundle, *given)
    assert "compared with itself" in refused("compare", bundle, bundle, *given)


def test_frames_that_a_bundle_does_not_take_are_refused(
    bundle: Path, twin: Path, tmp_path: Path, clip: Any, refused: Command
) -> None:
    from PIL import Image

    from mobilevos.data.masks import read_mask, write_mask

    folder = tmp_path / "larger"
    folder.mkdir()
    Image.fromarray(clip.frames[0]).resize((192, 128)).save(folder / "0.png")
    write_mask(tmp_path / "larger.png", read_mask(clip.mask).repeat(2, 0).repeat(2, 1))
    given = ["--video", folder, "--mask", tmp_path / "larger.png", "--no-isolated"]
    assert "cannot take frames of 128x192" in refused("compare", bundle, twin, *given)
