"""`mobilevos segment` on what it cannot use: one line, exit code 2, and nothing lost that was there."""

import json
import os
import resource
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from mobilevos.data.masks import read_mask, write_mask

Refused = Callable[..., str]


@pytest.fixture
def refused_segment(refused: Refused, clip: Any, checkpoint: Path, tmp_path: Path) -> Refused:
    """Runs the command with one part exchanged; it must not have written anything."""

    def run(**parts: Path) -> str:
        parts = {"source": clip.folder, "mask": clip.mask, "checkpoint": checkpoint, **parts}
        line = refused(
            "segment", parts["source"], "--mask", parts["mask"], "--checkpoint", parts["checkpoint"],
            "--masks", tmp_path / "masks", "--output", tmp_path / "out.mp4", "--json", tmp_path / "out.json",
        )  # fmt: skip
        assert not any((tmp_path / name).exists() for name in ("masks", "out.mp4", "out.json"))
        return line

    return run


def test_a_mask_of_another_size(refused_segment: Refused, tmp_path: Path) -> None:
    write_mask(tmp_path / "small.png", np.ones((32, 48), np.uint8))
    line = refused_segment(mask=tmp_path / "small.png")
    assert "small.png is of another size; expected 96x64 like its clip; found 48x32" in line


def test_a_mask_without_objects(refused_segment: Refused, tmp_path: Path) -> None:
    write_mask(tmp_path / "blank.png", np.zeros((64, 96), np.uint8))
    assert "blank.png holds no objects" in refused_segment(mask=tmp_path / "blank.png")


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.9])
def test_an_empty_or_truncated_mask(refused_segment: Refused, clip: Any, tmp_path: Path, kept: float) -> None:
    content = clip.mask.read_bytes()
    (tmp_path / "cut.png").write_bytes(content[: int(kept if kept > 1 else kept * len(content))])
    assert "cannot read image" in refused_segment(mask=tmp_path / "cut.png")


def test_a_missing_mask(refused_segment: Refused, tmp_path: Path) -> None:
    assert "none.png" in refused_segment(mask=tmp_path / "none.png")


def test_a_missing_clip(refused_segment: Refused, tmp_path: Path) -> None:
    assert "none.mp4" in refused_segment(source=tmp_path / "none.mp4")


def test_a_folder_without_frames(refused_segment: Refused, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    assert "no frames in" in refused_segment(source=tmp_path / "nothing")


@pytest.mark.parametrize("content", [b"", b"no video at all", os.urandom(4096)])
def test_a_file_that_is_no_video(refused_segment: Refused, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.mp4").write_bytes(content)
    assert "broken.mp4" in refused_segment(source=tmp_path / "broken.mp4")


def test_a_video_of_zero_frames(refused_segment: Refused, clip: Any, tmp_path: Path) -> None:
    with av.open(str(clip.video)) as source, av.open(str(tmp_path / "zero.mkv"), "w") as target:
        target.add_stream_from_template(source.streams.video[0])
        target.start_encoding()
    assert "zero.mkv" in refused_segment(source=tmp_path / "zero.mkv")


def test_a_first_frame_that_does_not_decode(refused_segment: Refused, clip: Any) -> None:
    path = clip.folder / "frame_00.png"
    path.write_bytes(path.read_bytes()[:-200])
    assert "frame_00.png" in refused_segment()


def test_a_truncated_checkpoint(refused_segment: Refused, checkpoint: Path, tmp_path: Path) -> None:
    content = checkpoint.read_bytes()
    for size in (0, 4, 200, len(content) // 2, len(content) - 1):
        (tmp_path / "cut.safetensors").write_bytes(content[:size])
        assert "cut.safetensors is not a readable checkpoint" in refused_segment(
            checkpoint=tmp_path / "cut.safetensors"
        )


def test_a_missing_checkpoint(refused_segment: Refused, tmp_path: Path) -> None:
    assert "no checkpoint at" in refused_segment(checkpoint=tmp_path / "none.safetensors")


def test_a_checkpoint_of_another_project(refused_segment: Refused, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"conv.weight": np.ones((1, 1), np.float32)}, tmp_path / "foreign.safetensors")
    assert "is not a MobileVOS checkpoint" in refused_segment(checkpoint=tmp_path / "foreign.safetensors")


def test_a_checkpoint_whose_weights_were_swapped(refused_segment: Refused, checkpoint: Path, tmp_path: Path) -> None:
    """The header of one network over the tensors of another."""
    content = checkpoint.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    network = json.loads(header["__metadata__"]["network"])
    header["__metadata__"]["network"] = json.dumps(network | {"value_channels": network["value_channels"] + 16})
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (tmp_path / "swapped.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])
    assert "swapped.safetensors does not fit the network" in refused_segment(
        checkpoint=tmp_path / "swapped.safetensors"
    )


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def test_a_pickle_is_refused_and_its_code_not_run(refused_segment: Refused, tmp_path: Path) -> None:
    import torch

    torch.save({"state_dict": Evil(tmp_path / "it_ran")}, tmp_path / "evil.pth")
    assert "evil.pth is not a readable checkpoint" in refused_segment(checkpoint=tmp_path / "evil.pth")
    assert not (tmp_path / "it_ran").exists()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--engine", "abacus"), "no engine named 'abacus'"),
        (("--engine", "executorch"), "--bundle"),
        (("--bundle", "nowhere"), "nowhere"),
        (("--engine", "eager", "--bundle", "somewhere"), "--engine executorch"),
    ],
)
def test_an_engine_that_cannot_be_opened(
    refused: Refused,
    clip: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    word: str,
) -> None:
    source = ("segment", clip.folder.absolute(), "--mask", clip.mask.absolute())
    monkeypatch.chdir(tmp_path)  # where there is no bundle from an export
    line = refused(*source, "--masks", tmp_path / "masks", *options)
    assert word in line
    assert not (tmp_path / "masks").exists()


@pytest.mark.parametrize("option", ["--output", "--masks", "--json"])
def test_an_existing_output_stops_it_before_the_work(refused: Refused, clip: Any, tmp_path: Path, option: str) -> None:
    target = tmp_path / "there.mp4"
    kept = target
    if option == "--masks":
        target.mkdir()
        kept = target / "frame_06.png"
    kept.write_text("of value")
    # The weights do not exist either: that it is not said shows that outputs are looked at first.
    weights = ("--checkpoint", tmp_path / "none.safetensors")
    assert "pass --overwrite" in refused("segment", clip.folder, "--mask", clip.mask, *weights, option, target)
    assert kept.read_text() == "of value"


def test_the_clip_and_the_mask_are_never_overwritten(refused: Refused, clip: Any) -> None:
    before = clip.video.read_bytes(), clip.mask.read_bytes()
    for option, target in (("--output", clip.video), ("--masks", clip.mask.parent), ("--masks", clip.folder)):
        source = clip.folder if target == clip.folder else clip.video
        line = refused("segment", source, "--mask", clip.mask, "--overwrite", option, target)
        assert "the path of an input" in line
    assert before == (clip.video.read_bytes(), clip.mask.read_bytes())


def test_an_output_that_is_no_mp4(refused: Refused, clip: Any, checkpoint: Path, tmp_path: Path) -> None:
    arguments = ("segment", clip.folder, "--mask", clip.mask, "--checkpoint", checkpoint)
    assert ".mp4" in refused(*arguments, "--output", tmp_path / "out.avi", "--masks", tmp_path / "masks")
    assert not (tmp_path / "masks").exists()


def test_a_video_that_breaks_off_keeps_the_masks_before(
    refused: Refused, clip: Any, checkpoint: Path, tmp_path: Path
) -> None:
    content = clip.video.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: int(0.95 * len(content))])
    outputs = ("--masks", tmp_path / "masks", "--output", tmp_path / "out.mp4", "--json", tmp_path / "out.json")
    line = refused("segment", tmp_path / "cut.mp4", "--mask", clip.mask, "--checkpoint", checkpoint, *outputs)
    masks = sorted((tmp_path / "masks").iterdir())
    assert 1 <= len(masks) < 7
    assert f"masks of the {len(masks)} frame" in line
    assert all(read_mask(path).shape == (64, 96) for path in masks)
    assert not (tmp_path / "out.mp4").exists()
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize("damage", ["truncated", "resized"])
def test_a_frame_that_cannot_be_used_keeps_the_masks_before(
    refused: Refused, clip: Any, checkpoint: Path, tmp_path: Path, damage: str
) -> None:
    frame = clip.folder / "frame_04.png"
    if damage == "truncated":
        frame.write_bytes(frame.read_bytes()[:-200])
    else:
        write_mask(frame, np.zeros((32, 32), np.uint8))
    arguments = ("segment", clip.folder, "--mask", clip.mask, "--checkpoint", checkpoint)
    line = refused(*arguments, "--masks", tmp_path / "masks")
    assert "frame_04.png" in line
    assert "masks of the 4 frames before are in" in line
    assert len(list((tmp_path / "masks").iterdir())) == 4


@pytest.mark.slow
def test_a_full_disk_keeps_the_masks_before(clip: Any, checkpoint: Path, tmp_path: Path) -> None:
    """A limit on the size of a file stands in for the disk: the system refuses to write in the same way."""
    limit = 3000  # room for any mask, not for the video
    outputs = ("--masks", tmp_path / "masks", "--output", tmp_path / "out.mp4")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mobilevos",
            "segment",
            clip.folder,
            "--mask",
            clip.mask,
            "--checkpoint",
            checkpoint,
            *outputs,
        ],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        check=False,
        timeout=120,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("mobilevos: error: cannot write")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out.mp4").exists()
    assert len(list((tmp_path / "masks").iterdir())) >= 1
    assert all(read_mask(path).shape == (64, 96) for path in (tmp_path / "masks").iterdir())
    assert list(tmp_path.rglob(".*")) == []
