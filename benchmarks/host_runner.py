"""The C++ runner for this machine, built when it is first asked for and again when its source or ExecuTorch changes."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from benchmarks.runner.build import CACHE, SOURCE, Arch, build_runner
from benchmarks.runner.payload import payload
from mobilevos.errors import InputError
from mobilevos.files import atomic_write_text

__all__ = ["host_runner", "source_fingerprint"]


@cache
def host_runner(cache_folder: Path = CACHE) -> tuple[str, ...]:
    """The start of the command that runs it.

    Args:
        cache_folder: Of the runner and of what the next build can use again.

    Raises:
        InputError: ExecuTorch or a tool is missing, or the build failed.
    """
    folder, stamp = cache_folder / f"payload-{Arch.HOST}", cache_folder / f"payload-{Arch.HOST}.sha256"
    wanted = source_fingerprint()
    if stamp.is_file() and stamp.read_text().strip() == wanted:
        with suppress(InputError):  # damaged: made anew
            return tuple(payload(folder).command)
    stamp.unlink(missing_ok=True)
    build_runner(Arch.HOST, folder, cache=cache_folder)
    atomic_write_text(stamp, wanted + "\n")
    return tuple(payload(folder).command)


def source_fingerprint() -> str:
    """SHA-256 of what the runner is built from: its sources, and the version of ExecuTorch."""
    digest = hashlib.sha256(version("executorch").encode())
    for path in sorted([*SOURCE.glob("CMake*"), *(SOURCE / "src").iterdir()]):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()
