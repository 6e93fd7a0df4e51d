"""Pseudo-clips from still images with masks (ECSSD, human segmentation, PennFudan and the like)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mobilevos.data.clips.composition import compose
from mobilevos.data.clips.configuration import StaticConfig
from mobilevos.data.clips.reading import LabelledImage, read_labelled
from mobilevos.data.clips.sample import TrainingClip
from mobilevos.data.frames import list_files
from mobilevos.data.masks import read_mask
from mobilevos.data.sequence import VOID
from mobilevos.errors import InputError

__all__ = ["StaticImages", "still_pairs"]


class StaticImages:
    """Moves a still image before the camera, T frames long.

    Args:
        roots: Folders that hold `images/*.jpg` and, by the same names, `masks/*.png`.
        config: All ranges.

    Raises:
        InputError: As `still_pairs`, or no folder is given.
    """

    def __init__(self, roots: Sequence[Path | str], config: StaticConfig) -> None:
        self.config = config
        self.pairs = [pair for root in roots for pair in still_pairs(root)]
        if not self.pairs:
            raise InputError("no folder of still images", expected="folders with images/*.jpg and masks/*.png")

    def draw(self, n: int, rng: np.random.Generator) -> TrainingClip:
        """Draws a clip.

        Raises:
            InputError: A file is corrupt, or no image with a usable object was met.
        """
        for _ in range(self.config.attempts):
            image, mask = self._pair(rng)
            source = self._read(image, mask)
            clip = compose(
                rng,
                [source] * self.config.frames,
                lambda: self._read(*self._pair(rng)),
                self.config,
                f"{image.parent.parent.name}/{image.stem}",
            )
            if clip is not None:
                return clip
        raise InputError(
            f"still images, {self.pairs[0][0]} among them",
            expected=f"an object of {self.config.min_pixels} pixels in a crop of {self.config.crop}",
            found=f"none in {self.config.attempts} draws",
        )

    def _pair(self, rng: np.random.Generator) -> tuple[Path, Path]:
        return self.pairs[int(rng.integers(len(self.pairs)))]

    def _read(self, image: Path, mask: Path) -> LabelledImage:
        labels = read_mask(mask)
        labels[labels == VOID] = 0
        return read_labelled(image, labels, self.config.crop)


def still_pairs(root: Path | str) -> list[tuple[Path, Path]]:
    """Images and their masks in a folder, in counting order of their names.

    Args:
        root: Holds `images/*.jpg` and, by the same names, `masks/*.png`.

    Raises:
        InputError: The folder holds no image, an image has no mask, or a mask no image.
    """
    root = Path(root)
    images = {path.stem: path for path in list_files(root / "images", frozenset({".jpg", ".jpeg"}))}
    masks = {path.stem: path for path in list_files(root / "masks", frozenset({".png"}))}
    remedy = "complete the data set"
    if not images:
        raise InputError(f"no image in {root / 'images'}", expected="JPEG files", remedy=remedy)
    for name, image in images.items():
        if name not in masks:
            missing = root / "masks" / f"{name}.png"
            raise InputError(f"{missing} is missing", expected=f"a mask for {image}", remedy=remedy)
    for name, mask in masks.items():
        if name not in images:
            missing = root / "images" / f"{name}.jpg"
            raise InputError(f"{missing} is missing", expected=f"an image for {mask}", remedy=remedy)
    return [(image, masks[name]) for name, image in images.items()]
