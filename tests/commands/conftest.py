"""The command line in this process, a network with random weights, and small clips with exact masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mobilevos.cli import main
from mobilevos.data.masks import write_mask
from mobilevos.data.video import VideoWriter

COUNT, HEIGHT, WIDTH = 7, 64, 96
IDS = (1, 7)  # not contiguous: an id is a name, no index


@dataclass(frozen=True)
class Outcome:
    """What a command left behind on the terminal."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Clip:
    """Two squares that move over a gradient, stored in both ways."""

    folder: Path
    video: Path
    mask: Path
    frames: list[NDArray[np.uint8]]
    labels: list[NDArray[np.uint8]]


Command = Callable[..., Outcome]


@pytest.fixture
def mobilevos(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `mobilevos ARGUMENTS` here."""

    def run(*arguments: str | Path) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def refused(mobilevos: Command) -> Callable[..., str]:
    """Runs a command that must end with exit code 2, and gives its one line of error."""

    def run(*arguments: str | Path) -> str:
        outcome = mobilevos(*arguments)
        assert outcome.code == 2, outcome
        assert outcome.err.startswith("mobilevos: error: ")
        assert outcome.err.count("\n") == 1
        assert outcome.err.endswith("\n")
        return outcome.err

    return run


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student that never learnt anything: its masks are poor, and always the same."""
    from mobilevos.model.checkpoint import save_network
    from mobilevos.model.variants import build_network

    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_network(build_network("mobilenet_v2", seed=0), path, provenance={"made": "for tests"}, precision="fp16")
    return path


def paint(index: int, ids: tuple[int, ...] = IDS) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Frame number `index` and its exact mask."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    frame = np.stack([rows * 2, columns * 2, 255 - rows - columns], -1).astype(np.uint8)
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    for place, object_id in enumerate(ids):
        left = 8 + 3 * index if place == 0 else 60 - 3 * index
        square = np.s_[8 + 28 * place : 28 + 28 * place, left : left + 20]
        frame[square], labels[square] = (250, 240 - 200 * place, 30), object_id
    return frame, labels


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    """A clip of 7 frames as PNGs and as H.264, and the mask of its first frame."""
    frames, labels = (list(items) for items in zip(*map(paint, range(COUNT)), strict=True))
    folder, video, mask = tmp_path / "frames", tmp_path / "clip.mp4", tmp_path / "given" / "first.png"
    folder.mkdir()
    with VideoWriter(video, (HEIGHT, WIDTH), 25) as writer:
        for index, frame in enumerate(frames):
            Image.fromarray(frame).save(folder / f"frame_{index:02d}.png")
            writer.write(frame)
    write_mask(mask, labels[0])
    return Clip(folder, video, mask, frames, labels)


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    """DAVIS 2016 and 2017 with two sequences of five frames, and a third that is listed and not there."""
    root = tmp_path / "DAVIS"
    for name in ("square", "squares"):
        images = root / "JPEGImages" / "480p" / name
        images.mkdir(parents=True)
        for index in range(5):
            frame, labels = paint(index, IDS[: 1 if name == "square" else 2])
            Image.fromarray(frame).save(images / f"{index:05d}.jpg", quality=95)
            write_mask(root / "Annotations" / "480p" / name / f"{index:05d}.png", labels)
    for year in ("2016", "2017"):
        listed = root / "ImageSets" / year / "val.txt"
        listed.parent.mkdir(parents=True)
        listed.write_text("square\nsquares\nabsent\n")
    return root


@pytest.fixture
def ytvos(tmp_path: Path) -> Path:
    """YouTube-VOS with one video, whose second object starts on the third frame."""
    root = tmp_path / "YouTubeVOS"
    images = root / "valid" / "JPEGImages" / "0a1b2c"
    images.mkdir(parents=True)
    for index in range(6):
        frame, labels = paint(index, IDS[: 1 if index < 2 else 2])
        Image.fromarray(frame).save(images / f"{index:05d}.jpg", quality=95)
        write_mask(root / "valid" / "Annotations" / "0a1b2c" / f"{index:05d}.png", labels)
    return root
