"""Calls in processes of their own: results in order, errors as they are, and one line when a process is killed."""

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from benchmarks.side_by_side import side_by_side
from mobilevos.errors import InputError


def fail() -> int:
    raise InputError("no toolkit", remedy="install it")


def die() -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def interrupted(folder: Path) -> int:
    """Ctrl-C in the middle of an export, which clears away what it wrote."""
    (folder / "half").touch()
    try:
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        (folder / "half").unlink()
    return 0


def test_results_come_in_the_order_of_the_calls_from_other_processes() -> None:
    stages: list[str] = []
    results = side_by_side({"b": os.getpid, "a": partial(int, "7")}, stages.append)
    assert list(results) == ["b", "a"]
    assert results["a"] == 7
    assert results["b"] != os.getpid()
    assert stages[0] == "making bundles: b, a"
    assert len(stages) == 3


def test_what_a_call_raises_is_raised_here() -> None:
    with pytest.raises(InputError, match=r"^no toolkit; install it$"):
        side_by_side({"a": fail}, print)


def test_a_killed_process_is_one_line() -> None:
    with pytest.raises(InputError, match="a process that made a bundle was killed; if memory was short"):
        side_by_side({"a": die}, print)


def test_a_call_that_is_interrupted_clears_away(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        side_by_side({"a": partial(interrupted, tmp_path)}, print)
    assert list(tmp_path.iterdir()) == []
