"""What commands say while they work and at their end: a bar with frames per second, lines, a JSON twin."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from mobilevos.files import atomic_write_text

__all__ = ["counted", "frame_progress", "print_line", "write_report"]


def counted(number: int, noun: str) -> str:
    """`1 frame`, `2 frames`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class _FramesPerSecond(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f} frames/s")


@contextmanager
def frame_progress(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Draws a bar on stderr while the block runs, and removes it at its end. Silent where no terminal listens.

    Args:
        description: What is being done.
        total: Frames in all, or None if not known.

    Yields:
        A function that counts further frames as done.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _FramesPerSecond(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(description, total=total)
        yield lambda frames: progress.advance(task, frames)


def print_line(text: str) -> None:
    """Prints one line to stdout as it is: not wrapped, not coloured, so that a path in it can be copied."""
    Console().print(text, soft_wrap=True, markup=False, highlight=False)


def write_report(path: Path, report: Mapping[str, Any], *, overwrite: bool) -> None:
    """Writes a command's machine-readable result as JSON.

    Raises:
        InputError: The file exists and may not be replaced, or it cannot be written.
    """
    atomic_write_text(path, json.dumps(report, indent=2) + "\n", overwrite=overwrite)
