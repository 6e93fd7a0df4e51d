"""What native libraries write past Python, straight to the process's standard error."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["capture_native_stderr"]


@contextmanager
def capture_native_stderr() -> Iterator[None]:
    """Keeps off the terminal what any thread of the process writes to file descriptor 2 meanwhile, and drops it.

    For runtimes that greet on standard error and offer no other way to stop it. Python's own messages are dropped too,
    so it is for single calls into a library. What goes wrong there must come as an exception.
    """
    try:
        saved = os.dup(2)
    except OSError:  # a process without standard error has nothing to keep clean
        yield
        return
    try:
        with tempfile.TemporaryFile() as sink:
            _flush()
            os.dup2(sink.fileno(), 2)
            try:
                yield
            finally:
                _flush()
                os.dup2(saved, 2)
    finally:
        os.close(saved)


def _flush() -> None:
    with suppress(AttributeError, ValueError, OSError):  # absent or closed
        sys.stderr.flush()
