"""DAVIS 2016 and 2017 in their official folders.

`JPEGImages/<resolution>/<sequence>/00000.jpg`, `Annotations/<resolution>/<sequence>/00000.png` and the lists
in `ImageSets`. Every frame of `train` and `val` is annotated, and all objects are given on the first.
"""

from __future__ import annotations

from pathlib import Path

from mobilevos.data.frames import ImageFolder
from mobilevos.data.sequence import Sequence, annotation_paths
from mobilevos.errors import InputError

__all__ = ["Davis"]


class Davis:
    """The sequences of one split that lie on disk.

    Args:
        root: Holds `JPEGImages`, `Annotations` and `ImageSets`.
        year: 2016 (all objects are one, with id 1) or 2017 (several objects).
        split: `train` or `val`: a list in `ImageSets`.
        resolution: A folder of `JPEGImages`, as `480p`, `1080p` or `Full-Resolution`. When not given, `480p`
            if it holds any of the split's sequences, else the first by name that does.

    Attributes:
        resolution: The folder in use.
        names: Sequences on disk, in the order of the list.
        missing: Sequences of the list that are not on disk.

    Raises:
        InputError: The root or the list does not exist, or no sequence of the list is on disk.
    """

    def __init__(self, root: Path | str, year: int = 2016, split: str = "val", resolution: str | None = None) -> None:
        self.root, self.year, self.split = Path(root), year, split
        if year not in (2016, 2017):
            raise InputError(f"no DAVIS of {year}", expected="2016 or 2017")
        images = self.root / "JPEGImages"
        if not images.is_dir():
            expected = "the folders JPEGImages, Annotations and ImageSets"
            raise InputError(f"no DAVIS data set in {self.root}", expected=expected)
        folders = sorted(path.name for path in images.iterdir() if path.is_dir())
        if resolution is None:
            by_preference = sorted(folders, key=lambda folder: folder != "480p")
            resolution = next((folder for folder in by_preference if self._on_disk(folder)), "480p")
        self.resolution = resolution
        self.names = self._on_disk(resolution)
        self.missing = tuple(name for name in self._listed(resolution) if name not in self.names)
        if not self.names:
            found = f"the resolutions {', '.join(folders) or '(none)'}"
            raise InputError(f"no sequence of DAVIS {year} {split} in {images / resolution}", found=found)

    def sequence(self, name: str) -> Sequence:
        """One sequence by its name.

        Raises:
            InputError: It is not on disk, or a frame or mask of it is missing.
        """
        if name not in self.names:
            found = "a listed one that is not on disk" if name in self.missing else "no such name"
            raise InputError(f"sequence {name!r}", expected=f"one of DAVIS {self.year} {self.split}", found=found)
        frames = ImageFolder(self.root / "JPEGImages" / self.resolution / name)
        folder = self.root / "Annotations" / self.resolution / name
        return Sequence(
            name=name,
            frames=frames,
            annotations=annotation_paths(folder, frames, every_frame=True),
            prompt_frames=(0,),
            single_object=self.year == 2016,
            last_frame_scored=False,
        )

    def sequences(self) -> list[Sequence]:
        """All sequences on disk, in the order of the list; see `missing` for the others.

        Raises:
            InputError: A frame or mask of one is missing.
        """
        return [self.sequence(name) for name in self.names]

    def _on_disk(self, resolution: str) -> tuple[str, ...]:
        # Half a sequence counts as there: reading it then names what it lacks.
        kinds = [self.root / kind / resolution for kind in ("JPEGImages", "Annotations")]
        return tuple(name for name in self._listed(resolution) if any((kind / name).is_dir() for kind in kinds))

    def _listed(self, resolution: str) -> tuple[str, ...]:
        """Names of the split, from `ImageSets/<year>`, or DAVIS 2016's own list of image and mask paths."""
        lists = self.root / "ImageSets"
        by_year = lists / str(self.year) / f"{self.split}.txt"
        candidates = [by_year, lists / resolution / f"{self.split}.txt"] if self.year == 2016 else [by_year]
        path = next((path for path in candidates if path.is_file()), None)
        if path is None:
            raise InputError(f"{by_year} is missing", expected=f"the list of DAVIS {self.year} {self.split}")
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read {path}", found=str(error)) from error
        entries = [line.split()[0] for line in lines if line.strip()]
        names = [Path(entry).parent.name if "/" in entry else entry for entry in entries]
        return tuple(dict.fromkeys(names))
