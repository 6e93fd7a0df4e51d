"""Files to a phone and back whose every byte is compared: SHA-256 there against SHA-256 here."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from benchmarks.device.failure import DeviceError, Failure
from benchmarks.device.phone_shell import PhoneShell
from mobilevos.files import sha256_of

__all__ = ["files_under", "pull_files", "push_files"]

_SLOWEST_HASH = 10_000_000  # bytes/s
_TRIES = 2  # of a file that arrived damaged


def files_under(folder: Path, prefix: str) -> dict[str, Path]:
    """All files of a folder and below, by the names that they are to have under `prefix/` on a phone."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {f"{prefix}/{path.relative_to(folder).as_posix()}": path for path in paths}


def push_files(phone: PhoneShell, files: Mapping[str, Path], folder: str) -> None:
    """Copies files into a folder of a phone, and compares what arrived.

    Args:
        phone: Where to.
        files: By their names in the folder; the last part of each is the file's own.
        folder: On the phone; it exists.

    Raises:
        DeviceError: The connection is lost and does not come back, the phone is full, or a file arrives damaged twice.
    """
    wanted = {name: sha256_of(path) for name, path in files.items()}
    parents = sorted({str(PurePosixPath(name).parent) for name in files})
    phone.retried(lambda: phone.shell(f"cd {shlex.quote(folder)} && mkdir -p {shlex.join(parents)}"))
    damaged = list(files)
    for _ in range(_TRIES):
        by_parent = defaultdict(list)
        for name in damaged:
            by_parent[str(PurePosixPath(folder, name).parent)].append(files[name])
        for parent, sources in by_parent.items():
            phone.push(sources, parent)
        size = sum(path.stat().st_size for path in files.values())
        arrived = hashes_on(phone, list(files), folder, size)
        damaged = [name for name, sha256 in wanted.items() if arrived.get(name) != sha256]
        if not damaged:
            return
    raise _damaged(phone, damaged[0])


def pull_files(phone: PhoneShell, names: Sequence[str], folder: str, target: Path) -> list[str]:
    """Copies files of a phone's folder here, and compares what arrived.

    Args:
        phone: Where from.
        names: In the folder, without `/`; those that are not there are left out.
        folder: On the phone.
        target: Folder to copy to.

    Returns:
        The names that were there.

    Raises:
        DeviceError: The connection is lost and does not come back, or a file arrives damaged twice.
    """
    sizes = _sizes_on(phone, names, folder)
    if not sizes:
        return []
    size = sum(sizes.values())
    wanted = hashes_on(phone, list(sizes), folder, size)
    damaged = list(sizes)
    for _ in range(_TRIES):
        phone.pull([f"{folder}/{name}" for name in damaged], target, size)
        damaged = [name for name in damaged if wanted.get(name) != sha256_of(target / name)]
        if not damaged:
            return list(sizes)
    raise _damaged(phone, damaged[0])


def hashes_on(phone: PhoneShell, names: Sequence[str], folder: str, size: int) -> dict[str, str]:
    """SHA-256 of a phone's files, of `size` bytes in all, by name; those that are not there are left out."""
    command = f"cd {shlex.quote(folder)} && sha256sum {shlex.join(names)}"
    timeout_s = 30 + size / _SLOWEST_HASH
    out = phone.retried(lambda: phone.shell(command, timeout_s=timeout_s, check=False)).out
    return {name: sha256 for sha256, name in re.findall(r"^([0-9a-f]{64})  (.+)$", out, re.MULTILINE)}


def _sizes_on(phone: PhoneShell, names: Sequence[str], folder: str) -> dict[str, int]:
    command = f"cd {shlex.quote(folder)} && stat -c '%s %n' {shlex.join(names)}"
    out = phone.retried(lambda: phone.shell(command, check=False)).out
    return {name: int(size) for size, name in re.findall(r"^(\d+) (.+)$", out, re.MULTILINE)}


def _damaged(phone: PhoneShell, name: str) -> DeviceError:
    what = f"phone {phone.serial}: {name} arrived damaged twice"
    return DeviceError(Failure.DAMAGED, what, expected="the same SHA-256 on both sides", remedy="try another cable")
