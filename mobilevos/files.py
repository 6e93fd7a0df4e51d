"""Files that are whole or absent: atomic writes, SHA-256, and names that cannot leave their folder."""

from __future__ import annotations

import fcntl
import glob
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from mobilevos.errors import InputError

__all__ = [
    "atomic_file",
    "atomic_folder",
    "atomic_write_bytes",
    "atomic_write_text",
    "resolve_inside",
    "sha256_of",
]


@contextmanager
def atomic_file(path: Path | str, *, overwrite: bool = True) -> Iterator[Path]:
    """Gives a temporary path beside `path`; on success it is synced and renamed to `path`.

    On any error the temporary file is removed and `path` keeps what it held. The temporary name keeps
    the suffix of `path`, so that writers which choose a format by suffix work.

    Raises:
        InputError: `path` exists and `overwrite` is false, or it cannot be written (no space, no right).
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists already", remedy="pass --overwrite to replace it")
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        _sync(temporary)
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise InputError(f"cannot write {path}", found=error.strerror or str(error)) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def atomic_write_bytes(path: Path | str, content: bytes, *, overwrite: bool = True) -> None:
    """Writes `content` to `path` as a whole or not at all."""
    with atomic_file(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(content)


def atomic_write_text(path: Path | str, content: str, *, overwrite: bool = True) -> None:
    """Writes UTF-8 `content` to `path` as a whole or not at all."""
    atomic_write_bytes(path, content.encode(), overwrite=overwrite)


@contextmanager
def atomic_folder(path: Path | str, *, overwrite: bool = False) -> Iterator[Path]:
    """Gives a temporary folder beside `path`; on success it takes the place of `path`.

    A process that is killed cannot remove its temporary folder; the next one that writes `path` does.

    Raises:
        InputError: `path` exists and `overwrite` is false, or it cannot be written.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists already", remedy="pass --overwrite to replace it")
    temporary: Path | None = None
    lock: int | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-", suffix=_PARTIAL))
        lock = _lock(temporary)
        yield temporary
        for file in sorted(temporary.rglob("*")):
            if file.is_file():
                _sync(file)
        temporary.chmod(0o755)
        if path.exists():
            old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-old-"))
            path.replace(old / path.name)
            try:
                temporary.replace(path)
            except OSError:
                (old / path.name).replace(path)
                raise
            finally:
                shutil.rmtree(old, ignore_errors=True)
        else:
            temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise InputError(f"cannot write {path}", found=error.strerror or str(error)) from error
    finally:
        if temporary is not None and temporary.exists():
            shutil.rmtree(temporary)
        if lock is not None:
            os.close(lock)


_PARTIAL = ".partial"


def _remove_abandoned(path: Path) -> None:
    """Removes the temporary folders for `path` of processes that are gone: their locks went with them."""
    for folder in path.parent.glob(f".{glob.escape(path.name)}-*{_PARTIAL}"):
        if (lock := _lock(folder)) is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """A lock on a folder for as long as the descriptor is open; None where another process has it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # removed meanwhile
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path | str) -> str:
    """SHA-256 of a file's bytes, in lower-case hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resolve_inside(folder: Path | str, name: str) -> Path:
    """The path of `name` inside `folder`.

    Raises:
        InputError: `name` is absolute, climbs out with `..`, or reaches outside through a link.
    """
    folder = Path(folder)
    pure = PurePosixPath(name)
    refusal = InputError(
        f"{name!r} leaves its folder {folder}", expected="a relative path inside it", remedy="do not use this bundle"
    )
    if not name or "\\" in name or pure.is_absolute() or ".." in pure.parts:
        raise refusal
    try:
        resolved = (folder / name).resolve()
    except (ValueError, RuntimeError, OSError) as error:  # NUL bytes, lone surrogates, links in a circle
        raise refusal from error
    if not resolved.is_relative_to(folder.resolve()):
        raise refusal
    return folder / name
