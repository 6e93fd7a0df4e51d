"""Small annotated clips, written in the layouts of the data sets."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobilevos.data.masks import write_mask

Masks = Mapping[str, np.ndarray | None]
"""Ground truth `[H, W]` by the name of the frame, None where a frame is not annotated."""


@pytest.fixture
def write_clip() -> Callable[[Path, Path, Masks], None]:
    """Writes the black frames and the masks of one clip into two folders."""

    def write(frames: Path, annotations: Path, masks: Masks) -> None:
        frames.mkdir(parents=True)
        height, width = next(labels for labels in masks.values() if labels is not None).shape
        for stem, labels in masks.items():
            Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(frames / f"{stem}.jpg")
            if labels is not None:
                write_mask(annotations / f"{stem}.png", labels)

    return write
