"""The C++ runner for a phone: the user's build of it, or one that is made when the first phone asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock

from benchmarks.runner.build import CACHE, build_runner
from benchmarks.runner.payload import Payload, payload

__all__ = ["runner_from"]


def runner_from(folder: Path | None = None) -> Callable[[str], Payload]:
    """A function that gives the runner for an architecture.

    Args:
        folder: Holds it; without one it is built, once for each architecture, for all phones that ask at once.
    """
    lock, built = Lock(), dict[str, Payload]()

    def runner(architecture: str) -> Payload:
        with lock:
            if architecture not in built:
                built[architecture] = payload(folder or build_runner(architecture, CACHE / f"payload-{architecture}"))
            return built[architecture]

    return runner
