"""Bundles made two at a time: an export keeps little more than one core busy, and takes longer than its measurement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from signal import SIG_DFL, SIGINT, default_int_handler, signal
from typing import TypeVar

from mobilevos.errors import InputError

__all__ = ["side_by_side"]

T = TypeVar("T")

_PROCESSES = 2
"""An exporter holds two gigabytes."""


def side_by_side(calls: Mapping[str, Callable[[], T]], stage: Callable[[str], None]) -> dict[str, T]:
    """The results of calls that are made in processes of their own.

    Args:
        calls: By name, picklable. Processes are spawned: a script must guard its own start by `__name__`.
        stage: Told which calls are still to end.

    Returns:
        The results by name, in the order of the calls.

    Raises:
        InputError: A process was killed.
    """
    with ProcessPoolExecutor(_PROCESSES, mp_context=get_context("spawn"), initializer=_leave_quietly) as pool:
        names = {pool.submit(_call, call): name for name, call in calls.items()}
        left = list(calls)
        results = {}
        try:
            stage(f"making bundles: {', '.join(left)}")
            for future in as_completed(names):
                results[names[future]] = future.result()
                left.remove(names[future])
                stage(f"making bundles: {', '.join(left)}")
        except BrokenProcessPool as error:
            remedy = "if memory was short, measure fewer targets first: the bundles that are made are kept"
            raise InputError("a process that made a bundle was killed", remedy=remedy) from error
        finally:
            pool.shutdown(cancel_futures=True)
    return {name: results[name] for name in calls}


def _leave_quietly() -> None:
    signal(SIGINT, SIG_DFL)  # a process that waits for work has nothing to clear away on Ctrl-C


def _call(call: Callable[[], T]) -> T:
    signal(SIGINT, default_int_handler)  # an export removes what it has written so far
    try:
        return call()
    finally:
        _leave_quietly()
