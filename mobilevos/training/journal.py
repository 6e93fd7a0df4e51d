"""What a run tells: a progress bar for people, JSONL and TensorBoard for machines."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from mobilevos.errors import InputError
from mobilevos.files import atomic_write_text

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["Journal"]


class Journal:
    """Writes `log.jsonl` and TensorBoard events into a run's folder and draws the progress bar.

    Args:
        folder: The run's folder.
        steps: Steps of the whole run.
        start: Steps that are done already; log lines of later steps, from a run that was cut off, are dropped.
        every: Steps between log lines.
    """

    def __init__(self, folder: Path, steps: int, start: int, every: int) -> None:
        self.every = every
        log = folder / "log.jsonl"
        kept = [line for line in log.read_text().splitlines() if _step_of(line) <= start] if log.exists() else []
        atomic_write_text(log, "".join(f"{line}\n" for line in kept))
        self._log = log.open("ab", buffering=0)  # nothing is held back that a kill, or a full disk, could lose
        self._events = _summary_writer(folder / "tensorboard", start + 1)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[status]}"),
        )
        self._task = self._progress.add_task("training", total=steps, completed=start, status="")
        self._since, self._last = time.perf_counter(), start

    def __enter__(self) -> Journal:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        self._log.close()
        self._events.close()

    def step(self, step: int, values: dict[str, float], images: int) -> None:
        """Records step number `step`, counted from 1, which saw `images` frames."""
        if step % self.every:
            self._progress.update(self._task, completed=step)
            return
        now = time.perf_counter()
        speed = images * (step - self._last) / (now - self._since)
        self._since, self._last = now, step
        line = {"step": step, **values, "images_per_second": round(speed, 2)}
        try:
            self._log.write(f"{json.dumps(line)}\n".encode())
        except OSError as error:
            raise InputError(f"cannot write {self._log.name}", found=error.strerror or str(error)) from error
        for name, value in line.items():
            self._events.add_scalar(name, value, step)
        status = f"loss {values['loss']:.4f}  {speed:.1f} images/s"
        self._progress.update(self._task, completed=step, status=status)


def _summary_writer(folder: Path, first_step: int) -> SummaryWriter:
    # TensorBoard imports TensorFlow wherever it is installed, for nothing that is used here; that takes half a minute.
    # This module's presence is its own sign that there is none.
    sys.modules.setdefault("tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=first_step)


def _step_of(line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return 1 << 60  # a line that was cut off by a kill
