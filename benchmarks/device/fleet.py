"""Several phones at once: a thread and a line of progress for each, and one way to stop them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress, TaskID, TextColumn, TimeElapsedColumn

from benchmarks.device.adb import Adb
from benchmarks.device.phone_shell import PhoneShell, choose_phone, unusable
from benchmarks.device.prepared import Advance
from mobilevos.commands.console import print_line
from mobilevos.errors import InputError

__all__ = ["choose_phones", "on_every_phone"]

T = TypeVar("T")


def choose_phones(adb: Adb, serials: Sequence[str], *, every_phone: bool = False) -> dict[str, PhoneShell]:
    """The phones of those names, or the only one, or all that can be used, with a line for each that cannot.

    Args:
        adb: The client.
        serials: Each counts once.
        every_phone: Take all where no serial is given.

    Returns:
        By serial.

    Raises:
        DeviceError: As `choose_phone`.
    """
    if every_phone and not serials:
        listed = adb.phones()
        serials = [phone.serial for phone in listed if phone.usable]
        left_out = [phone for phone in listed if not phone.usable]
        if left_out and not serials:
            raise unusable(left_out[0])
        for phone in left_out:
            print_line(f"left out: {unusable(phone)}")
    chosen = [choose_phone(adb, serial) for serial in dict.fromkeys(serials)] or [choose_phone(adb)]
    return {phone.serial: phone for phone in chosen}


def on_every_phone(
    adb: Adb, phones: Mapping[str, PhoneShell], work: Callable[[PhoneShell, Advance], T], console: Console
) -> dict[str, T | InputError]:
    """Does the same on several phones at once.

    Args:
        adb: The client that all phones were chosen with; stopped on an interrupt, so that every phone is cleaned up.
        phones: By serial.
        work: On one phone; gets its line of progress.
        console: To draw on.

    Returns:
        What came of it by serial, or why nothing did.

    Raises:
        KeyboardInterrupt: After every phone's folder was removed.
    """
    columns = (TextColumn("{task.fields[serial]}"), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress, ThreadPoolExecutor(len(phones)) as pool:
        futures: dict[str, Future[T]] = {}
        for serial, phone in phones.items():
            task = progress.add_task("waiting", serial=serial, total=None)

            futures[serial] = pool.submit(_told, work, phone, _Line(progress, task))
        try:
            wait(futures.values())
        except KeyboardInterrupt:
            adb.stop.set()
            wait(futures.values())
            raise
        finally:
            progress.refresh()
    results: dict[str, T | InputError] = {}
    for serial, future in futures.items():
        try:
            results[serial] = future.result()
        except InputError as error:
            results[serial] = error
    return results


@dataclass(frozen=True)
class _Line:
    """A phone's line: an `Advance`."""

    progress: Progress
    task: TaskID

    def __call__(self, stage: str, steps: int) -> None:
        self.progress.update(self.task, description=f"{stage}, {steps} steps" if steps else stage)


def _told(work: Callable[[PhoneShell, Advance], T], phone: PhoneShell, line: _Line) -> T:
    try:
        result = work(phone, line)
    except BaseException:
        line("failed", 0)
        raise
    line("done", 0)
    return result
