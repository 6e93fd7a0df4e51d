"""`mobilevos segment`: what it writes, and that it is the tracker's own answer."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mobilevos.data.masks import davis_palette, read_mask
from mobilevos.data.video import VideoReader
from mobilevos.files import sha256_of

Command = Callable[..., Any]


def test_masks_are_the_trackers_with_exact_ids(mobilevos: Command, clip: Any, checkpoint: Path, tmp_path: Path) -> None:
    from mobilevos.engines import open_engine
    from mobilevos.tracking import Tracker, track

    outcome = mobilevos(
        "segment", clip.folder, "--mask", clip.mask, "--checkpoint", checkpoint, "--masks", tmp_path / "masks"
    )
    assert (outcome.code, outcome.err) == (0, "")

    written = sorted((tmp_path / "masks").iterdir())
    assert [path.name for path in written] == [f"frame_{index:02d}.png" for index in range(7)]
    expected = [
        s.labels for s in track(clip.frames, clip.labels[0], Tracker(open_engine("eager", checkpoint=checkpoint)))
    ]
    for path, labels in zip(written, expected, strict=True):
        np.testing.assert_array_equal(read_mask(path), labels)
    np.testing.assert_array_equal(read_mask(written[0]), clip.labels[0])
    with Image.open(written[0]) as image:
        assert (image.mode, image.getpalette()) == ("P", davis_palette())


def test_a_video_gives_an_overlay_of_its_length_size_and_rate(
    mobilevos: Command, clip: Any, checkpoint: Path, tmp_path: Path
) -> None:
    output = tmp_path / "new" / "overlay.mp4"
    arguments = ("segment", clip.video, "--mask", clip.mask, "--checkpoint", checkpoint, "--output", output)
    outcome = mobilevos(*arguments, "--masks", tmp_path / "masks")
    assert outcome.code == 0
    reader = VideoReader(output)
    shown, original = list(reader), list(VideoReader(clip.video))
    assert (len(shown), reader.size, reader.fps) == (7, (64, 96), 25)
    assert [path.stem for path in sorted((tmp_path / "masks").iterdir())] == [f"{index:05d}" for index in range(7)]
    difference = np.abs(shown[0].astype(int) - original[0]).mean(axis=-1)
    assert difference[clip.labels[0] > 0].mean() > 5 * difference[clip.labels[0] == 0].mean()


def test_without_a_named_output_the_overlay_lies_here(
    mobilevos: Command, clip: Any, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    outcome = mobilevos("segment", "../frames", "--mask", clip.mask, "--checkpoint", checkpoint)
    assert outcome.code == 0
    assert [path.name for path in Path.cwd().iterdir()] == ["frames-overlay.mp4"]
    assert "overlay: frames-overlay.mp4" in outcome.out.splitlines()


def test_the_table_and_its_twin_say_what_it_took(
    mobilevos: Command, clip: Any, checkpoint: Path, tmp_path: Path
) -> None:
    arguments = ("segment", clip.folder, "--mask", clip.mask, "--checkpoint", checkpoint, "--memory-every", 2)
    outcome = mobilevos(*arguments, "--masks", tmp_path / "masks", "--json", tmp_path / "report.json", "--threads", 1)
    assert outcome.code == 0
    report = json.loads((tmp_path / "report.json").read_text())

    assert report["command"] == "segment"
    assert (report["source"], report["mask"]) == (str(clip.folder), str(clip.mask))
    assert (report["frames"], report["size"], report["objects"]) == (7, {"height": 64, "width": 96}, [1, 7])
    assert report["outputs"] == {"masks": str(tmp_path / "masks")}
    assert report["engine"] == "eager-fp32"
    assert set(report["versions"]) == {"torch"}
    assert report["weights"] == {"checkpoint": str(checkpoint), "checkpoint_sha256": sha256_of(checkpoint)}
    assert report["memory"] == {"policy": "bounded", "every": 2}
    assert (report["threads"], report["resize"]) == (1, False)
    # Frames 0, 2, 4 and 6 are memorised; the first call of each component, its warm-up, does not count.
    calls = {component: timing["calls"] for component, timing in report["milliseconds"].items()}
    assert calls == {"encode_memory": 3, "segment": 5}
    assert all(0 < timing["p50"] <= timing["p90"] for timing in report["milliseconds"].values())
    assert 0 < report["loop_fps"] <= report["tracking_fps"]

    lines = outcome.out.splitlines()
    assert lines[0] == "7 frames of 96x64, 2 objects (1, 7)"
    assert lines[-2:] == [f"masks: {tmp_path / 'masks'}", f"report: {tmp_path / 'report.json'}"]
    assert "segment" in outcome.out


def test_a_clip_of_one_frame_has_its_mask(mobilevos: Command, clip: Any, checkpoint: Path, tmp_path: Path) -> None:
    for path in sorted(clip.folder.iterdir())[1:]:
        path.unlink()
    outcome = mobilevos(
        "segment", clip.folder, "--mask", clip.mask, "--checkpoint", checkpoint, "--masks", tmp_path / "masks"
    )
    assert outcome.code == 0
    assert outcome.out.startswith("1 frame of 96x64")
    np.testing.assert_array_equal(read_mask(tmp_path / "masks" / "frame_00.png"), clip.labels[0])


def test_overwrite_replaces_what_is_there(mobilevos: Command, clip: Any, checkpoint: Path, tmp_path: Path) -> None:
    arguments = ("segment", clip.folder, "--mask", clip.mask, "--checkpoint", checkpoint)
    outputs = ("--output", tmp_path / "out.mp4", "--masks", tmp_path / "masks", "--json", tmp_path / "out.json")
    (tmp_path / "masks").mkdir()
    for path in (tmp_path / "out.mp4", tmp_path / "masks" / "frame_03.png", tmp_path / "out.json"):
        path.write_text("old")
    assert mobilevos(*arguments, *outputs, "--overwrite").code == 0
    assert len(list(VideoReader(tmp_path / "out.mp4"))) == 7
    assert read_mask(tmp_path / "masks" / "frame_03.png").shape == (64, 96)
    assert json.loads((tmp_path / "out.json").read_text())["frames"] == 7


@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_one_line_and_leaves_whole_masks(clip: Any, checkpoint: Path, tmp_path: Path) -> None:
    for index in range(7, 500):  # a clip that takes long enough to be interrupted
        os.link(clip.folder / "frame_00.png", clip.folder / f"frame_{index}.png")
    masks = tmp_path / "masks"
    outputs = ("--masks", masks, "--output", tmp_path / "out.mp4")
    arguments = ("segment", clip.folder, "--mask", clip.mask, "--checkpoint", checkpoint, *outputs)
    process = subprocess.Popen(
        [sys.executable, "-m", "mobilevos", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background of a shell inherits an ignored SIGINT; a user at a terminal has the default.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not (masks.is_dir() and any(masks.glob("frame_02.png"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "mobilevos: error: interrupted\n")
    assert not (tmp_path / "out.mp4").exists()
    assert list(tmp_path.rglob(".*")) == []
    assert all(read_mask(path).shape == (64, 96) for path in masks.iterdir())
