"""Phones as devices of one run of the harness: the same jobs on all at once, and the rows of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks.device.adb import Adb
from benchmarks.device.fleet import choose_phones, on_every_phone
from benchmarks.device.harness_device import AdbDevice
from benchmarks.device.phone import read_phone
from benchmarks.device.phone_shell import PhoneShell
from benchmarks.device.prepared import Advance
from benchmarks.device.runners import runner_from
from benchmarks.device.thermal import unfairness
from benchmarks.jobs import Job, Skipped
from benchmarks.results import Result
from benchmarks.session import Plan, measure
from mobilevos.commands.console import print_line
from mobilevos.errors import InputError

__all__ = ["ALL", "measure_phones", "open_phones"]

ALL = "all"
"""In place of serials: every phone that is connected and can be used."""


def open_phones(serials: str = "") -> dict[str, AdbDevice]:
    """Phones by the names that their rows carry.

    Args:
        serials: `SERIAL[,SERIAL]`, or `all`; nothing for the only phone.

    Raises:
        DeviceError: There is none, or one cannot be used.
    """
    listed = [one.strip() for one in serials.split(",") if one.strip()]
    phones = choose_phones(Adb.find(), [] if listed == [ALL] else listed, every_phone=listed == [ALL])
    runner = runner_from()
    devices = [AdbDevice(phone, read_phone(phone), runner) for phone in phones.values()]
    for one in devices:
        if unfair := unfairness(one.facts.thermal):
            print_line(f"warning: phone {one.phone.serial} cannot be measured fairly: {'; '.join(unfair)}")
    return {f"adb:{one.phone.serial}" if listed else "adb": one for one in devices}


def measure_phones(
    plan: Plan, prepared: Sequence[Job | Skipped], phones: Mapping[str, AdbDevice], console: Console
) -> list[Result]:
    """Measures the same on every phone at once.

    Args:
        plan: What is to be measured. Of several phones, each one's records go to a folder in `phones/` of its output.
        prepared: See `benchmarks.session.prepare_jobs`.
        phones: See `open_phones`.
        console: For a line of progress of each.

    Returns:
        The rows of the first phone, then those of the next.

    Raises:
        InputError: Nothing can be measured, or the output cannot be written.
    """
    names = {device.phone.serial: name for name, device in phones.items()}

    def work(phone: PhoneShell, advance: Advance) -> list[Result]:
        name, apart = names[phone.serial], Path("phones", phone.serial.replace(":", "-"))
        folder = plan.output / apart if len(phones) > 1 else plan.output
        own = replace(phones[name], advance=advance)
        return measure(replace(plan, device=name, output=folder), prepared, own, lambda parts: None)

    adb = next(iter(phones.values())).phone.adb
    shells = {device.phone.serial: device.phone for device in phones.values()}
    rows: list[Result] = []
    for found in on_every_phone(adb, shells, work, console).values():
        if isinstance(found, InputError):
            raise found
        rows += found
    return rows
