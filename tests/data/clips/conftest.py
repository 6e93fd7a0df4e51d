"""Small data sets made on the spot: still images with masks, and a tree in the layout of DAVIS 2017."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mobilevos.data.masks import write_mask

Scene = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def make_scene(seed: int, height: int = 120, width: int = 160, shift: int = 0) -> Scene:
    """A noisy image with object 1, a bright ellipse, and object 2, a dark box, moved right by `shift`."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    labels = np.zeros((height, width), np.uint8)
    labels[((x - 50 - shift) / 25) ** 2 + ((y - 60) / 35) ** 2 < 1] = 1
    labels[(abs(x - 110 - shift) < 15) & (abs(y - 60) < 30)] = 2
    colours = np.array([[90, 120, 90], [230, 200, 120], [40, 20, 90]])[labels]
    return np.clip(colours + rng.integers(-20, 21, colours.shape), 0, 255).astype(np.uint8), labels


def save(image: NDArray[np.uint8], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, quality=95)


@pytest.fixture(scope="session")
def scene() -> Callable[[int], Scene]:
    """Makes a scene from a seed: see `make_scene`."""
    return make_scene


@pytest.fixture
def stills(tmp_path: Path) -> Path:
    root = tmp_path / "stills"
    for i in range(4):
        image, labels = make_scene(i)
        save(image, root / "images" / f"{i}.jpg")
        write_mask(root / "masks" / f"{i}.png", labels)
    return root


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    root = tmp_path / "davis"
    for name in ("walk", "run"):
        for t in range(12):
            image, labels = make_scene(t, shift=2 * t)
            save(image, root / "JPEGImages/480p" / name / f"{t:05d}.jpg")
            write_mask(root / "Annotations/480p" / name / f"{t:05d}.png", labels)
    (root / "ImageSets/2017").mkdir(parents=True)
    (root / "ImageSets/2017/train.txt").write_text("walk\nrun\n")
    return root
