"""A clip as raw pixels in a folder: what a worker, the C++ runner and a phone read without any decoder.

`clip.json`, `frames.rgb` (uint8 `[T, H, W, 3]`, C order) and a mask of object ids (uint8 `[H, W]`) for each frame on
which objects are given.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobilevos.errors import InputError
from mobilevos.files import atomic_folder, resolve_inside

__all__ = ["CLIP", "FORMAT", "FRAMES", "ClipFolder", "write_clip"]

FORMAT = 1
CLIP, FRAMES = "clip.json", "frames.rgb"

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class ClipFolder:
    """A clip folder that was checked.

    Attributes:
        folder: Where it lies.
        frames: Number of frames.
        height: Of a frame, in pixels.
        width: Of a frame, in pixels.
        memory_every: Frames from one memorised frame to the next.
        given: The masks by index of their frame, `[H, W]`, uint8, object ids.
    """

    folder: Path
    frames: int
    height: int
    width: int
    memory_every: int
    given: Mapping[int, Labels]

    @classmethod
    def open(cls, folder: Path) -> ClipFolder:
        """Reads `clip.json` and the masks; frames are read when asked for.

        Raises:
            InputError: A file is missing, of another format, or of a size that `clip.json` does not say.
        """
        path = folder / CLIP
        try:
            facts = json.loads(path.read_bytes())
            frames, height, width, every = (
                _positive(facts, name) for name in ("frames", "height", "width", "memory_every")
            )
            if facts["format"] != FORMAT:
                raise InputError(f"{path} is of another format", expected=str(FORMAT), found=repr(facts["format"])[:40])
            given = {int(one["frame"]): _mask(folder, str(one["file"]), height, width) for one in facts["given"]}
            size = (folder / FRAMES).stat().st_size
        except OSError as error:
            raise InputError(f"cannot read the clip {folder}", found=f"{error.filename}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path} describes no clip", found=repr(error)[:80]) from error
        if size != frames * height * width * 3:
            expected = f"{frames * height * width * 3} bytes"
            raise InputError(f"{folder / FRAMES} is of another size", expected=expected, found=str(size))
        return cls(folder, frames, height, width, every, given)

    @property
    def objects(self) -> int:
        """Number of objects in all masks."""
        return len({int(one) for mask in self.given.values() for one in np.unique(mask)} - {0})

    def read(self, index: int, out: Labels) -> None:
        """Reads frame `index` into `out`, `[H, W, 3]`, uint8, in C order.

        The file is read, not mapped: its pages must not count as memory of the process that is measured.

        Raises:
            InputError: The file was cut meanwhile.
        """
        with (self.folder / FRAMES).open("rb", buffering=0) as file:
            file.seek(index * out.nbytes)
            if file.readinto(out.data.cast("B")) != out.nbytes:
                raise InputError(f"{self.folder / FRAMES} was cut while it was read")


def write_clip(
    folder: Path, frames: Iterable[NDArray[np.uint8]], given: Mapping[int, Labels], memory_every: int = 5
) -> ClipFolder:
    """Writes a clip, as a whole or not at all, in the place of what lies there.

    Args:
        folder: To write.
        frames: Each `[H, W, 3]`, uint8, RGB; at least one, all of one size.
        given: Masks by index of their frame, `[H, W]`, uint8, object ids.
        memory_every: Frames from one memorised frame to the next.

    Raises:
        InputError: There are no frames, or the folder cannot be written.
    """
    count, size = 0, (0, 0)
    with atomic_folder(folder, overwrite=True) as temporary:
        with (temporary / FRAMES).open("wb") as file:
            for frame in frames:
                size = (frame.shape[0], frame.shape[1])
                file.write(np.ascontiguousarray(frame).data)
                count += 1
        if count == 0:
            raise InputError(f"no frame for the clip {folder}")
        names = {index: f"given-{index:05d}.u8" for index in sorted(given)}
        for index, name in names.items():
            (temporary / name).write_bytes(np.ascontiguousarray(given[index], np.uint8).tobytes())
        facts = {"format": FORMAT, "frames": count, "height": size[0], "width": size[1], "memory_every": memory_every}
        listed = [{"frame": index, "file": name} for index, name in names.items()]
        (temporary / CLIP).write_text(json.dumps({**facts, "given": listed}, indent=2) + "\n")
    return ClipFolder.open(folder)


def _positive(facts: dict[str, Any], name: str) -> int:
    value = facts[name]
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is {value!r:.40}")
    return value


def _mask(folder: Path, name: str, height: int, width: int) -> Labels:
    path = resolve_inside(folder, name)
    content = path.read_bytes()
    if len(content) != height * width:
        raise InputError(f"{path} is of another size", expected=f"{height * width} bytes", found=str(len(content)))
    return np.frombuffer(content, np.uint8).reshape(height, width)
