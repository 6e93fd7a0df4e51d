"""Checks of where a command will write, made before its work starts rather than after."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from mobilevos.errors import InputError

__all__ = ["check_outputs"]


def check_outputs(
    *, files: Iterable[Path] = (), folders: Iterable[Path] = (), inputs: Iterable[Path] = (), overwrite: bool
) -> None:
    """Refuses outputs that could not be written in the end, or that would destroy something.

    Args:
        files: That will be written.
        folders: That files will be written into.
        inputs: Files and folders that are read. None of them may be an output, whatever `overwrite` says.
        overwrite: Whether files may exist already, and folders may hold something.

    Raises:
        InputError: An output exists and may not be replaced, is also an input or another output, or lies where
            nothing can be written.
    """
    files, folders = list(files), list(folders)
    taken = {path.resolve(): "an input" for path in inputs}
    for path in files + folders:
        resolved = path.resolve()
        if resolved in taken:
            found = f"the path of {taken[resolved]}"
            raise InputError(f"cannot write {path}", found=found, remedy="give another name")
        taken[resolved] = "another output"
    for path, is_folder in [*((file, False) for file in files), *((folder, True) for folder in folders)]:
        try:
            _check_kind(path, is_folder=is_folder, overwrite=overwrite)
            _check_right(path)
        except OSError as error:  # a name that is too long, a folder that cannot be listed
            raise InputError(f"cannot write {path}", found=error.strerror or str(error)) from error


def _check_kind(path: Path, *, is_folder: bool, overwrite: bool) -> None:
    if not path.exists():
        return
    if path.is_dir() != is_folder:
        raise InputError(
            f"cannot write {path}", found="a file" if is_folder else "a folder", remedy="give another name"
        )
    if not overwrite and (not is_folder or any(path.iterdir())):
        what = f"{path} exists already and is not empty" if is_folder else f"{path} exists already"
        raise InputError(what, remedy="pass --overwrite to replace what is in the way")


def _check_right(path: Path) -> None:
    """Whether the path, or what lies deepest of the folders above it, can be written into."""
    place = path if path.is_dir() else path.absolute().parent
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise InputError(f"cannot write {path}", expected="a folder", found=f"the file {place}")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"cannot write {path}", found=f"no right to write into {place}")
