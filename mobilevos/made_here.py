"""Which bundles this user exported: those run in this process, any other in a process of its own.

A manifest's SHA-256 of every file tells damage, not who wrote the manifest: a stranger's hashes fit a stranger's files.
So an export leaves a record of its manifest's own SHA-256 with the user, outside the bundle, where no bundle that is
copied here can have one.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from mobilevos.bundle import MANIFEST, Bundle
from mobilevos.files import sha256_of

__all__ = ["record_made_here", "was_made_here"]


def record_made_here(bundle: Path) -> None:
    """Remembers a bundle that was just exported. Without a home to write to, it will count as a stranger's.

    Args:
        bundle: Its folder.
    """
    record = _record(bundle)
    with suppress(OSError):
        record.parent.mkdir(parents=True, exist_ok=True)
        record.touch()


def was_made_here(bundle: Bundle) -> bool:
    """Whether this user exported it: its manifest has a record, and its files are the ones that the manifest names."""
    with suppress(OSError):
        return bundle.verified and _record(bundle.folder).is_file()
    return False


def _record(bundle: Path) -> Path:
    """An empty file named by the SHA-256 of the manifest, in the user's state folder (XDG Base Directory, 0.8)."""
    given = os.environ.get("XDG_STATE_HOME", "")
    state = Path(given) if Path(given).is_absolute() else Path("~/.local/state").expanduser()
    return state / "mobilevos" / "exported" / sha256_of(bundle / MANIFEST)
