"""YouTube-VOS 2018 and 2019 in their official folders.

`<split>/JPEGImages/<video>/00000.jpg`, `<split>/Annotations/<video>/00000.png` and `<split>/meta.json`. At
most every fifth frame is annotated, and objects may start late: they are given with their first mask.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from mobilevos.data.frames import ImageFolder
from mobilevos.data.sequence import Sequence, annotation_paths
from mobilevos.errors import InputError

__all__ = ["SEEN_CATEGORIES", "YouTubeVOS"]

# fmt: off
SEEN_CATEGORIES = frozenset({
    "airplane", "ape", "bear", "bike", "bird", "boat", "bucket", "bus", "camel", "cat", "cow", "crocodile",
    "deer", "dog", "dolphin", "duck", "eagle", "earless_seal", "elephant", "fish", "fox", "frisbee", "frog",
    "giant_panda", "giraffe", "hand", "hat", "hedgehog", "horse", "knife", "leopard", "lion", "lizard",
    "monkey", "motorbike", "mouse", "others", "owl", "paddle", "parachute", "parrot", "penguin", "person",
    "plant", "rabbit", "raccoon", "sedan", "shark", "sheep", "sign", "skateboard", "snail", "snake",
    "snowboard", "squirrel", "surfboard", "tennis_racket", "tiger", "toilet", "train", "truck", "turtle",
    "umbrella", "whale", "zebra",
})
"""The 65 categories of the training split; every other one is unseen."""
# fmt: on


class YouTubeVOS:
    """The videos of one split that lie on disk.

    Objects and their first masks are taken from the masks themselves; `meta.json`, where there is one, lists
    the videos, the objects that must occur, and their categories.

    Args:
        root: Holds the folder of the split, or is that folder itself.
        split: `train`, `valid` or `test`.

    Attributes:
        folder: Of the split.
        names: Videos on disk, sorted.
        missing: Videos of `meta.json` that are not on disk, sorted.

    Raises:
        InputError: There is no such data set, no video, or `meta.json` is not in the official format.
    """

    def __init__(self, root: Path | str, split: str = "valid") -> None:
        root = Path(root)
        self.folder = root / split if (root / split).is_dir() else root
        images, masks = self.folder / "JPEGImages", self.folder / "Annotations"
        if not images.is_dir() or not masks.is_dir():
            raise InputError(
                f"no YouTube-VOS data set in {self.folder}", expected="the folders JPEGImages and Annotations"
            )
        # Half a video counts as there: reading it then names what it lacks.
        on_disk = {path.name for kind in (images, masks) for path in kind.iterdir() if path.is_dir()}
        meta = self.folder / "meta.json"
        self._declared = _read_meta(meta) if meta.exists() else dict.fromkeys(on_disk, ())
        self.names = tuple(sorted(on_disk & self._declared.keys()))
        self.missing = tuple(sorted(self._declared.keys() - on_disk))
        if not self.names:
            raise InputError(f"no video of YouTube-VOS in {images}", expected="a folder of frames for each")

    def sequence(self, name: str) -> Sequence:
        """One video by its name.

        Raises:
            InputError: It is not on disk, or frames or masks of it are missing.
        """
        if name not in self.names:
            raise InputError(f"video {name!r}", expected=f"one of those in {self.folder / 'JPEGImages'}")
        frames = ImageFolder(self.folder / "JPEGImages" / name)
        masks = self.folder / "Annotations" / name
        annotations = annotation_paths(masks, frames)
        declared = self._declared[name]
        for item in declared:
            first = masks / f"{item.first_frame}.png"
            if first not in annotations.values():
                expected = f"the first mask of object {item.object_id} of {name}"
                raise InputError(f"{first} is missing", expected=expected, remedy="complete the data set")
        return Sequence(
            name=name,
            frames=frames,
            annotations=annotations,
            prompt_frames=tuple(annotations),
            categories={item.object_id: item.category for item in declared},
        )

    def sequences(self) -> list[Sequence]:
        """All videos on disk, sorted by name; see `missing` for the others.

        Raises:
            InputError: Frames or masks of one are missing.
        """
        return [self.sequence(name) for name in self.names]


@dataclass(frozen=True)
class _DeclaredObject:
    object_id: int
    category: str
    first_frame: str


def _read_meta(path: Path) -> dict[str, tuple[_DeclaredObject, ...]]:
    """Objects by video, from `{"videos": {video: {"objects": {id: {"category": ..., "frames": [...]}}}}}`."""
    try:
        videos = json.loads(path.read_text(encoding="utf-8"))["videos"]
        return {
            video: tuple(
                _DeclaredObject(int(object_id), str(entry["category"]), min(map(str, entry["frames"])))
                for object_id, entry in content["objects"].items()
            )
            for video, content in videos.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        expected = "the official format: videos, objects, category and frames"
        raise InputError(f"cannot use {path}", expected=expected, found=f"{type(error).__name__} {error}") from error
