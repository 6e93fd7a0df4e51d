"""Where a number comes from: the commit, the machine, the time, the tools."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from mobilevos.files import sha256_of

__all__ = ["commit", "provenance", "sources_sha256"]

_REPOSITORY = Path(__file__).resolve().parents[1]


@cache
def commit() -> tuple[str | None, bool]:
    """The commit that this code is of, None outside a checkout; and whether files differ from it."""
    head, changed = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")
    return (head or None, bool(changed))


def provenance(machine: dict[str, Any]) -> dict[str, Any]:
    """What is the same for every row of a run, as JSON.

    Args:
        machine: As the device describes itself.
    """
    head, changed = commit()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"commit": head, "uncommitted_changes": changed, "machine": machine, "time": now}


def sources_sha256(package: str) -> str:
    """SHA-256 of a package's Python files, names and contents: tells what ran where there is no commit to name it.

    Args:
        package: `mobilevos`, `export` or `benchmarks`.
    """
    files = sorted(path.relative_to(_REPOSITORY).as_posix() for path in (_REPOSITORY / package).rglob("*.py"))
    return sha256("".join(f"{sha256_of(_REPOSITORY / file)}  {file}\n" for file in files).encode()).hexdigest()


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=_REPOSITORY, capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
