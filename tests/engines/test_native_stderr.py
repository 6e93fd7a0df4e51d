"""What native code writes to file descriptor 2 is kept off the terminal for a while, and only for that while."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from mobilevos.engines.native_stderr import capture_native_stderr

OPEN = Path("/proc/self/fd")


def write(text: str) -> None:
    os.write(2, text.encode())


def test_only_what_is_written_meanwhile_is_dropped(capfd: pytest.CaptureFixture[str]) -> None:
    write("before\n")
    with capture_native_stderr():
        write("a greeting\n")
    write("after\n")
    assert capfd.readouterr().err == "before\nafter\n"


def test_standard_error_is_back_after_an_exception(capfd: pytest.CaptureFixture[str]) -> None:
    with suppress(RuntimeError), capture_native_stderr():
        write("a greeting\n")
        raise RuntimeError
    write("after\n")
    assert capfd.readouterr().err == "after\n"


@pytest.mark.skipif(not OPEN.is_dir(), reason="the system lists no open descriptors")
def test_no_descriptor_is_left_open() -> None:
    before = len(list(OPEN.iterdir()))
    for _ in range(3):
        with capture_native_stderr():
            pass
    assert len(list(OPEN.iterdir())) == before
