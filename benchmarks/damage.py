"""What can happen to a bundle's files, by accident or on purpose: one function for each kind, seeded.

Each is given the bundle's folder and the files of its artefacts, damages them in place, and says which it touched.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.zip_tricks import entries_of, tricked_archive

__all__ = ["FILE_DAMAGE", "MANIFEST_DAMAGE", "PACKAGE_DAMAGE", "Damage", "ManifestDamage"]

Damage = Callable[[Path, Sequence[str], np.random.Generator], set[str]]
"""Takes a bundle's folder and its artefacts' files, relative to it; gives the files that were changed, made or lost."""

ManifestDamage = Callable[[dict[str, Any], np.random.Generator], None]
"""Changes a bundle's manifest in place."""

_HEADER = 512  # bytes
_BLOCK = 4096  # bytes
_OUTSIDE = ("../artefact", "/etc/passwd", "a/../../artefact", "..", "a\\..\\b", "a\0b", "~/artefact", "")


def _rewritten(change: Callable[[bytearray, np.random.Generator], bytes | bytearray]) -> Damage:
    """Damage to the bytes of one file, which is chosen by size: most bytes of a bundle are weights."""

    def damage(folder: Path, files: Sequence[str], rng: np.random.Generator) -> set[str]:
        sizes = np.array([(folder / name).stat().st_size for name in files], float) ** 0.5
        name = files[rng.choice(len(files), p=sizes / sizes.sum())]
        (folder / name).write_bytes(change(bytearray((folder / name).read_bytes()), rng))
        return {name}

    return damage


def _one_of(names: Sequence[str], rng: np.random.Generator) -> str:
    return names[int(rng.integers(len(names)))]


def _truncated(content: bytearray, rng: np.random.Generator) -> bytearray:
    return content[: rng.integers(len(content))]


def _flip(content: bytearray, place: int, rng: np.random.Generator) -> bytearray:
    content[place] ^= 1 << int(rng.integers(8))
    return content


def _bit_in_header(content: bytearray, rng: np.random.Generator) -> bytearray:
    return _flip(content, int(rng.integers(min(_HEADER, len(content)))), rng)


def _bit_anywhere(content: bytearray, rng: np.random.Generator) -> bytearray:
    return _flip(content, int(rng.integers(len(content))), rng)


def _structure(content: bytearray, rng: np.random.Generator) -> int:
    """A place where a file says how it is built: weights, unlike tables and text, hold nearly every value of a byte."""
    blocks = range(0, len(content), _BLOCK)
    likely = [start for start in blocks if len(set(content[start : start + _BLOCK])) < 200]
    start = int(rng.choice(likely or blocks))
    return int(rng.integers(start, min(start + _BLOCK, len(content))))


def _bit_in_structure(content: bytearray, rng: np.random.Generator) -> bytearray:
    return _flip(content, _structure(content, rng), rng)


def _run_in_structure(content: bytearray, rng: np.random.Generator) -> bytearray:
    start, length = _structure(content, rng), int(rng.integers(1, 32))
    content[start : start + length] = rng.bytes(len(content[start : start + length]))
    return content


def _many_bits(content: bytearray, rng: np.random.Generator) -> bytearray:
    for place in rng.integers(len(content), size=64):
        _flip(content, int(place), rng)
    return content


def _overwritten(content: bytearray, rng: np.random.Generator) -> bytearray:
    length = int(rng.integers(1, 4096))
    start = int(rng.integers(len(content)))
    filling = [bytes(length), b"\xff" * length, rng.bytes(length)][rng.integers(3)]
    content[start : start + length] = filling[: len(content) - start]
    return content


def _identifier(content: bytearray, rng: np.random.Generator) -> bytearray:
    start = 4 * int(rng.integers(2))  # zip archives begin with theirs, FlatBuffers have it after an offset
    content[start : start + 4] = rng.bytes(4)
    return content


def _random_bytes(content: bytearray, rng: np.random.Generator) -> bytearray:
    kept = int(rng.choice([0, 8, 64]))  # with or without a good beginning
    return content[:kept] + rng.bytes(int(rng.integers(4096)))


def _extended(content: bytearray, rng: np.random.Generator) -> bytearray:
    return content + rng.bytes(int(rng.integers(1, 4096)))


def _halves_swapped(content: bytearray, rng: np.random.Generator) -> bytearray:
    middle = int(rng.integers(1, max(2, len(content))))
    return content[middle:] + content[:middle]


def _names_in_file(content: bytearray, rng: np.random.Generator) -> bytearray:
    """Parts of paths and names in a file, zip archives' entries among them, become `..`."""
    places = [place for place in range(min(len(content) - 3, 1 << 16)) if content[place] == ord("/")]
    tail = len(content) - min(len(content), 1 << 16)  # a zip archive's table lies at its end
    places += [place for place in range(tail, len(content) - 3) if content[place] == ord("/")]
    place = int(rng.choice(places)) if places else 0
    content[place : place + 3] = b"/.."
    return content


def _tricked_zip(content: bytearray, rng: np.random.Generator) -> bytes:
    """An archive's entries are played a trick; another file is put into such an archive."""
    return tricked_archive(entries_of(bytes(content), "artefact"), rng)


def _swapped(folder: Path, files: Sequence[str], rng: np.random.Generator) -> set[str]:
    if len(files) == 1:
        return _rewritten(_halves_swapped)(folder, files, rng)
    one, other = (files[int(index)] for index in rng.choice(len(files), 2, replace=False))
    content = (folder / one).read_bytes()
    (folder / one).write_bytes((folder / other).read_bytes())
    (folder / other).write_bytes(content)
    return {one, other}


def _missing(folder: Path, files: Sequence[str], rng: np.random.Generator) -> set[str]:
    name = _one_of(files, rng)
    (folder / name).unlink()
    return {name}


def _linked(folder: Path, files: Sequence[str], rng: np.random.Generator) -> set[str]:
    name = _one_of(files, rng)
    (folder / name).unlink()
    target = Path(str(rng.choice(["/etc/passwd", "/dev/zero", "../../outside", Path(name).name])))
    (folder / name).symlink_to(target)
    return {name}


def _package_file_added(folder: Path, files: Sequence[str], rng: np.random.Generator) -> set[str]:
    beside = Path(_one_of(files, rng))
    name = str(beside.with_name(f"extra{rng.integers(1000)}.bin"))
    if rng.random() < 0.5:
        (folder / name).write_bytes(rng.bytes(64))
    else:
        (folder / name).symlink_to(beside.name)
    return {name}


def _package_paths(folder: Path, files: Sequence[str], rng: np.random.Generator) -> set[str]:
    """A package's own manifest names its model by another path."""
    names = [name for name in files if name.endswith("Manifest.json")]
    name = _one_of(names, rng)
    manifest = json.loads((folder / name).read_text())
    entries = list(manifest["itemInfoEntries"].values())
    elsewhere = (*_OUTSIDE, "com.apple.CoreML/weights/weight.bin", "com.apple.CoreML", "x" * 5000)
    entries[rng.integers(len(entries))]["path"] = str(rng.choice(np.array(elsewhere, object)))
    (folder / name).write_text(json.dumps(manifest))
    return {name}


def _package_weights_elsewhere(folder: Path, files: Sequence[str], rng: np.random.Generator) -> set[str]:
    """A package's model looks for its weights by another path of the same length."""
    names = [name for name in files if name.endswith(".mlmodel")]
    name = _one_of(names, rng)
    expected = b"@model_path/weights/weight.bin"
    others = (b"@model_path/../ghts/weight.bin", b"/odel_path/weights/weight.bin/", b"@model_path/weights/weight.b\0n")
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content.replace(expected, others[rng.integers(len(others))]))
    return {name}


def _package_zipped(folder: Path, files: Sequence[str], rng: np.random.Generator) -> set[str]:
    """A package lies there as the archive that it was sent in, and that archive plays a trick."""
    packages = sorted({name[: name.index("/")] for name in files if "/" in name})
    package = _one_of(packages, rng)
    inside = [name for name in files if name.startswith(f"{package}/")]
    archive = tricked_archive({name: (folder / name).read_bytes() for name in inside}, rng)
    shutil.rmtree(folder / package)
    (folder / package).write_bytes(archive)
    return {package, *inside}


def _path_outside(manifest: dict[str, Any], rng: np.random.Generator) -> None:
    """The manifest names an artefact by a path that leaves the bundle, or is none."""
    components = list(manifest["components"].values())
    component = components[rng.integers(len(components))]
    old, new = component["file"], _OUTSIDE[rng.integers(len(_OUTSIDE))]
    component["file"] = new
    for name in [name for name in manifest["files"] if name == old or name.startswith(f"{old}/")]:
        manifest["files"][new + name[len(old) :]] = manifest["files"][name]


def _components_exchanged(manifest: dict[str, Any], rng: np.random.Generator) -> None:
    """The manifest names one component's program as another's."""
    one, other = (list(manifest["components"].values())[int(i)] for i in rng.choice(5, 2, replace=False))
    for key in ("file", "method", "artefact"):
        if key in one and key in other:
            one[key], other[key] = other[key], one[key]


def _method_unknown(manifest: dict[str, Any], rng: np.random.Generator) -> None:
    """The manifest names a program, or a file, that is not there."""
    component = list(manifest["components"].values())[rng.integers(5)]
    key = str(rng.choice(["method", "file"]))
    component[key] = bytes(rng.integers(33, 127, 8).astype(np.uint8)).decode()


FILE_DAMAGE: dict[str, Damage] = {
    "truncated": _rewritten(_truncated),
    "bit in the header": _rewritten(_bit_in_header),
    "bit in the structure": _rewritten(_bit_in_structure),
    "run in the structure": _rewritten(_run_in_structure),
    "bit anywhere": _rewritten(_bit_anywhere),
    "64 bits anywhere": _rewritten(_many_bits),
    "run overwritten": _rewritten(_overwritten),
    "wrong identifier": _rewritten(_identifier),
    "random bytes": _rewritten(_random_bytes),
    "bytes appended": _rewritten(_extended),
    "names become '..'": _rewritten(_names_in_file),
    "zip tricks": _rewritten(_tricked_zip),
    "swapped": _swapped,
    "missing": _missing,
    "linked elsewhere": _linked,
}
"""Of any artefact."""

PACKAGE_DAMAGE: dict[str, Damage] = {
    "file added": _package_file_added,
    "package's paths": _package_paths,
    "weights elsewhere": _package_weights_elsewhere,
    "package zipped": _package_zipped,
}
"""Of artefacts that are folders."""

MANIFEST_DAMAGE: dict[str, ManifestDamage] = {
    "path outside": _path_outside,
    "components exchanged": _components_exchanged,
    "unknown program": _method_unknown,
}
"""Of the manifest itself, whose author says what he likes."""
