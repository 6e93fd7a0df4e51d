"""BL30K: 30,000 rendered clips of 160 frames, 3 to 5 objects each (MiVOS, Cheng et al., CVPR 2021, section 4).

`JPEGImages/<sequence>/00000.jpg` and `Annotations/<sequence>/00000.png`, every frame annotated. It comes in six
archives, each with a folder `BL30K` in it: unpacked in one place they merge, unpacked apart they leave one tree each.
Both are read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mobilevos.data.frames import ImageFolder
from mobilevos.data.sequence import Sequence, annotation_paths
from mobilevos.errors import InputError

__all__ = ["Bl30k"]


class Bl30k:
    """The sequences that lie on disk; each is opened when asked for, as there may be millions of files.

    Args:
        root: Holds `JPEGImages` and `Annotations`, or folders that do, one or two levels down (`a/BL30K`).

    Attributes:
        root: As given.
        names: Sequences on disk, sorted.
        missing: None: BL30K comes without a list.

    Raises:
        InputError: There is no such folder, or no sequence in it.
    """

    missing: tuple[str, ...] = ()

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        trees = list(_trees(self.root, depth=2))
        self._frames = {name: path for tree in trees for name, path in _folders(tree / "JPEGImages").items()}
        self._masks = {name: path for tree in trees for name, path in _folders(tree / "Annotations").items()}
        # Half a sequence counts as there: reading it then names what it lacks.
        self.names = tuple(sorted(self._frames.keys() | self._masks.keys()))
        if not self.names:
            expected = "the folders JPEGImages and Annotations, with one folder for each sequence"
            raise InputError(f"no BL30K data set in {self.root}", expected=expected, remedy="unpack its archives there")

    def sequence(self, name: str) -> Sequence:
        """One sequence by its name.

        Raises:
            InputError: It is not on disk, or a frame or mask of it is missing.
        """
        if name not in self._frames and name not in self._masks:
            raise InputError(f"sequence {name!r}", expected=f"one of BL30K in {self.root}")
        for kind, folders in (("JPEGImages", self._frames), ("Annotations", self._masks)):
            if name not in folders:
                expected = f"the folder {kind}/{name}"
                raise InputError(f"half of sequence {name} in {self.root}", expected=expected, remedy=_REMEDY)
        frames = ImageFolder(self._frames[name])
        annotations = annotation_paths(self._masks[name], frames, every_frame=True)
        return Sequence(name=name, frames=frames, annotations=annotations, prompt_frames=tuple(annotations))


_REMEDY = "complete the data set"


def _trees(folder: Path, depth: int) -> Iterator[Path]:
    """Folders with `JPEGImages` or `Annotations` in them, this one or up to `depth` levels down."""
    below = _folders(folder)
    if {"JPEGImages", "Annotations"} & below.keys():
        yield folder
    elif depth:
        for path in below.values():
            yield from _trees(path, depth - 1)


def _folders(folder: Path) -> dict[str, Path]:
    """Folders in a folder by their names, in order; none where it does not exist."""
    try:
        with os.scandir(folder) as entries:  # knows what is a folder without asking the disk 30,000 times
            return {name: folder / name for name in sorted(entry.name for entry in entries if entry.is_dir())}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputError(f"cannot list folder {folder}", found=error.strerror or str(error)) from error
