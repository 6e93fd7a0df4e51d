"""A tiny run: four made-up still images, crops of 64 pixels, two clips a step."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobilevos.data.masks import write_mask
from mobilevos.training import RunConfig, compose_config

Overrides = Callable[..., list[str]]
Configure = Callable[..., RunConfig]


@pytest.fixture(scope="session")
def stills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four noisy images, each with a bright ellipse, object 1, and a dark box, object 2."""
    root = tmp_path_factory.mktemp("stills")
    (root / "images").mkdir()
    y, x = np.mgrid[:90, :120]
    for number in range(4):
        noise = np.random.default_rng(number)
        labels = np.zeros((90, 120), np.uint8)
        labels[((x - 40) / 22) ** 2 + ((y - 45 + 3 * number) / 30) ** 2 < 1] = 1
        labels[(abs(x - 85) < 15) & (abs(y - 45) < 25)] = 2
        colours = np.array([[90, 120, 90], [230, 200, 120], [40, 20, 90]])[labels]
        image = np.clip(colours + noise.integers(-20, 21, colours.shape), 0, 255).astype(np.uint8)
        Image.fromarray(image).save(root / "images" / f"{number}.jpg", quality=95)
        write_mask(root / "masks" / f"{number}.png", labels)
    return root


@pytest.fixture(scope="session")
def videos(stills: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`davis/`, `youtube_vos/` and `bl30k/`, each of one sequence, `walk`, of the stills in their order.

    All frames are masked, but for YouTube-VOS, which has no mask of the second of six. To be read only: tests copy it.
    """
    root = tmp_path_factory.mktemp("videos")
    for layout in ("davis/{}/480p", "youtube_vos/train/{}", "bl30k/{}"):
        length = 6 if "youtube" in layout else 4
        for t in range(length):
            for kind, still in (("JPEGImages", f"images/{t % 4}.jpg"), ("Annotations", f"masks/{t % 4}.png")):
                path = root / layout.format(kind) / "walk" / f"{t:05d}{Path(still).suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                if not (length == 6 and t == 1 and kind == "Annotations"):
                    shutil.copy(stills / still, path)
    for year in (2016, 2017):
        (root / f"davis/ImageSets/{year}").mkdir(parents=True)
        for split in ("train", "val"):
            (root / f"davis/ImageSets/{year}/{split}.txt").write_text("walk\n")
    return root


@pytest.fixture(scope="session")
def davis(videos: Path) -> Path:
    """The tree of `videos` in DAVIS's layout."""
    return videos / "davis"


@pytest.fixture(scope="session")
def tiny_overrides(stills: Path) -> Overrides:
    """Gives the overrides of a tiny run into a folder, four steps long, and further ones."""

    def overrides(folder: Path, *further: str) -> list[str]:
        return [
            "stage=static",
            f"data.static=[{stills}]",
            f"output={folder}",
            "device=cpu",
            "data.crop=64",
            "data.workers=0",
            "training.batch_size=2",
            "training.steps=4",
            "training.warmup=2",
            "training.checkpoint_every=2",
            "training.log_every=1",
            "training.threads=1",
            *further,
        ]

    return overrides


@pytest.fixture
def configure(tiny_overrides: Overrides, tmp_path: Path) -> Configure:
    """Composes a tiny run into `tmp_path / folder`, with further overrides."""
    return lambda folder, *further: compose_config(tiny_overrides(tmp_path / folder, *further))
