"""Zip archives that are not what they seem: TorchScript's files are archives, and a package often travels as one."""

from __future__ import annotations

import io
import stat
import warnings
import zipfile
from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["TRICKS", "Entries", "entries_of", "tricked_archive"]

Entries = dict[str, bytes]
"""An archive's files by name, in its order."""

_BOMB = 64 << 20  # bytes

_Writer = Callable[[zipfile.ZipFile, Entries, str], None]
"""Takes the archive, its honest entries and the name of the one to play with, and writes them."""


def entries_of(content: bytes, name: str) -> Entries:
    """What a file holds.

    Args:
        content: Of the file.
        name: Of the one entry, where it is no archive.
    """
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return {name: content}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {one: archive.read(one) for one in archive.namelist()}


def tricked_archive(entries: Entries, rng: np.random.Generator) -> bytes:
    """An archive of these entries, one of which was played a trick."""
    names = list(entries)
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")  # that a name stands there twice: it shall
        list(TRICKS.values())[rng.integers(len(TRICKS))](archive, entries, names[rng.integers(len(names))])
    return buffer.getvalue()


def _write(archive: zipfile.ZipFile, entries: Entries, but: Sequence[str] = ()) -> None:
    for name, content in entries.items():
        if name not in but:
            archive.writestr(name, content)


def _renamed(prefix: str) -> _Writer:
    def write(archive: zipfile.ZipFile, entries: Entries, chosen: str) -> None:
        _write(archive, entries, [chosen])
        archive.writestr(prefix + chosen, entries[chosen])

    return write


def _twice(archive: zipfile.ZipFile, entries: Entries, chosen: str) -> None:
    _write(archive, entries)
    archive.writestr(chosen, entries[chosen][::-1])


def _linked(archive: zipfile.ZipFile, entries: Entries, chosen: str) -> None:
    _write(archive, entries, [chosen])
    link = zipfile.ZipInfo(chosen)
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    archive.writestr(link, "/etc/passwd")


def _bomb(archive: zipfile.ZipFile, entries: Entries, chosen: str) -> None:
    _write(archive, entries, [chosen])
    archive.writestr(chosen, bytes(_BOMB), zipfile.ZIP_DEFLATED)


def _file_and_folder(archive: zipfile.ZipFile, entries: Entries, chosen: str) -> None:
    _write(archive, entries)
    archive.writestr(f"{chosen}/", b"")
    archive.writestr(f"{chosen}/{chosen}", entries[chosen])


TRICKS: dict[str, _Writer] = {
    "leaves the folder": _renamed("../../"),
    "absolute path": _renamed("/tmp/"),
    "twice": _twice,
    "symbolic link": _linked,
    "bomb": _bomb,
    "file and folder": _file_and_folder,
}
"""What can be wrong with an archive whose every checksum is right."""
