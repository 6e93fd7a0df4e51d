"""One annotated clip of a data set: its frames, its masks, and which objects are given and scored when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mobilevos.data.frames import ImageFolder, list_files
from mobilevos.data.masks import read_mask
from mobilevos.errors import InputError

__all__ = ["VOID", "AnnotatedVideos", "Sequence", "annotation_paths"]

VOID = 255
"""Label of pixels that DAVIS leaves undecided; its evaluation takes them for background, and so do we."""


@dataclass(frozen=True)
class Sequence:
    """A clip with ground truth. Frames and masks are read from disk when asked for.

    An object is given to the tracker on the frame of its first mask and scored on annotated frames after it.

    Attributes:
        name: As the data set names it.
        frames: All frames.
        annotations: Mask file of each annotated frame index.
        prompt_frames: Frame indices, ascending, on which objects may be given: `(0,)` in DAVIS.
        categories: Category of each object id, where the data set declares them; every id must then occur.
        single_object: Whether all objects are one, with id 1 (DAVIS 2016).
        last_frame_scored: Whether the last frame counts; DAVIS leaves it out.
    """

    name: str
    frames: ImageFolder
    annotations: Mapping[int, Path]
    prompt_frames: tuple[int, ...]
    categories: Mapping[int, str] = field(default_factory=dict)
    single_object: bool = False
    last_frame_scored: bool = True

    @cached_property
    def first_masks(self) -> Mapping[int, int]:
        """Index of the frame of each object's first mask, by object id, ascending.

        Raises:
            InputError: A mask cannot be read, none holds an object, or a declared object is in none.
        """
        first: dict[int, int] = {}
        for index in self.prompt_frames:
            for object_id in np.unique(self._labels(index)):
                if object_id != 0:
                    first.setdefault(int(object_id), index)
        where = self.annotations[self.prompt_frames[0]].parent if self.prompt_frames else self.name
        absent = sorted(set(self.categories) - set(first))
        if absent:
            raise InputError(f"object {absent[0]} of {self.name} is declared, but in no mask of {where}")
        if not first:
            raise InputError(f"no object in {self.name}", expected=f"a mask with an object in {where}")
        return dict(sorted(first.items()))

    def head(self, frames: int) -> Sequence:
        """The sequence cut off after `frames` frames: what starts later is not there."""
        return replace(
            self,
            frames=self.frames.head(frames),
            annotations={index: path for index, path in self.annotations.items() if index < frames},
            prompt_frames=tuple(index for index in self.prompt_frames if index < frames),
            categories={},
        )

    @property
    def objects(self) -> tuple[int, ...]:
        """Ids of all objects, ascending."""
        return tuple(self.first_masks)

    def prompt(self, index: int) -> NDArray[np.uint8] | None:
        """The mask to give the tracker on a frame: the objects that start there, and no others.

        Returns:
            `[H, W]`, uint8, object ids and 0; None where no object starts.

        Raises:
            InputError: The mask cannot be read or is of another size than the frames.
        """
        starting = [object_id for object_id, first in self.first_masks.items() if first == index]
        if not starting:
            return None
        labels = self._labels(index)
        return np.where(np.isin(labels, starting), labels, np.uint8(0))

    def annotation(self, index: int) -> NDArray[np.uint8] | None:
        """The ground truth of a frame.

        Returns:
            `[H, W]`, uint8, object ids and 0; None where the frame is not annotated.

        Raises:
            InputError: The mask cannot be read or is of another size than the frames.
        """
        return self._labels(index) if index in self.annotations else None

    def scored_objects(self, index: int) -> tuple[int, ...]:
        """Ids of the objects scored on a frame: where it is annotated, those given on an earlier one."""
        is_last = index == len(self.frames) - 1
        if index not in self.annotations or (is_last and not self.last_frame_scored):
            return ()
        return tuple(object_id for object_id, first in self.first_masks.items() if first < index)

    def scored_frames(self) -> tuple[int, ...]:
        """Indices of the frames on which any object is scored, ascending."""
        return tuple(index for index in sorted(self.annotations) if self.scored_objects(index))

    def merge(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Labels in this sequence's ids: any object becomes 1 where all objects are one, else unchanged."""
        return (labels > 0).astype(np.uint8) if self.single_object else labels

    def _labels(self, index: int) -> NDArray[np.uint8]:
        path = self.annotations[index]
        labels = read_mask(path)
        height, width = self.frames.size
        if labels.shape != (height, width):
            found = f"{labels.shape[1]}x{labels.shape[0]}"
            raise InputError(
                f"mask {path} is of another size", expected=f"{width}x{height} like its frame", found=found
            )
        labels[labels == VOID] = 0
        return self.merge(labels)


class AnnotatedVideos(Protocol):
    """A data set of annotated clips, opened one at a time: the large ones list millions of files."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the clips on disk."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the clips that the data set lists and that are not on disk."""

    def sequence(self, name: str) -> Sequence:
        """One clip by its name.

        Raises:
            InputError: It is not on disk, or frames or masks of it are missing.
        """


def annotation_paths(folder: Path, frames: ImageFolder, *, every_frame: bool = False) -> dict[int, Path]:
    """The masks of a folder by the index of their frames, ascending.

    Args:
        folder: Holds PNG files named as the frames.
        frames: The frames they belong to.
        every_frame: Whether every frame must have a mask.

    Raises:
        InputError: The folder cannot be listed, holds no mask, a mask has no frame, or a frame that must have one no
            mask.
    """
    masks = list_files(folder, frozenset({".png"}))
    index_of = {name: index for index, name in enumerate(frames.names)}
    for mask in masks:
        if mask.stem not in index_of:
            frame = frames.folder / f"{mask.stem}{frames.paths[0].suffix}"
            raise InputError(
                f"{frame} is missing", expected=f"a frame for the mask {mask}", remedy="complete the data set"
            )
    if not masks:
        raise InputError(
            f"no mask in {folder}", expected="PNG files named as the frames", remedy="complete the data set"
        )
    annotations = {index_of[mask.stem]: mask for mask in masks}
    for index, stem in enumerate(frames.names):
        if every_frame and index not in annotations:
            expected = f"a mask for every frame of {folder.name}"
            raise InputError(f"{folder / stem}.png is missing", expected=expected, remedy="complete the data set")
    return annotations
