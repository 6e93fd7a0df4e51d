"""`python -m benchmarks.device list`: what is connected, and whether a bundle could run on it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.device.adb import Adb
from benchmarks.device.phone import PhoneFacts, check_phone, read_phone
from benchmarks.device.phone_shell import choose_phone
from benchmarks.device.thermal import unfairness
from benchmarks.tables import rich_table
from mobilevos.commands.console import print_line
from mobilevos.errors import InputError

__all__ = ["list_phones"]

_HEADERS = ("serial", "phone", "Android", "ABI", "free", "battery", "heat")


def list_phones(
    as_json: Annotated[bool, typer.Option("--json", help="For machines: one JSON array.")] = False,
) -> None:
    """List the phones that adb knows, and why one cannot be used."""
    adb = Adb.find()
    listed = [_look(adb, phone.serial) for phone in adb.phones()]
    if as_json:
        print_line(json.dumps([_to_json(*one) for one in listed], indent=1))
        return
    if not listed:
        print_line("no phone is connected: switch USB debugging on, or `adb connect HOST:PORT`")
        return
    rows = [_row(serial, facts) for serial, facts, _ in listed]
    Console().print(rich_table("phones", _HEADERS, rows, text_columns=2))
    for serial, facts, problem in listed:
        if problem:
            print_line(problem)
        elif facts and (unfair := unfairness(facts.thermal)):
            print_line(f"warning: phone {serial} cannot be measured fairly: {'; '.join(unfair)}")


def _look(adb: Adb, serial: str) -> tuple[str, PhoneFacts | None, str]:
    """Serial, facts where the phone gives them, and why it cannot be used, or nothing."""
    facts = None
    try:
        facts = read_phone(choose_phone(adb, serial))
        check_phone(facts, 0)
    except InputError as error:
        return serial, facts, str(error)
    return serial, facts, ""


def _to_json(serial: str, facts: PhoneFacts | None, problem: str) -> dict[str, Any]:
    return {"serial": serial, "usable": not problem, "problem": problem, "phone": asdict(facts) if facts else None}


def _row(serial: str, facts: PhoneFacts | None) -> tuple[str, ...]:
    if facts is None:
        return (serial, *[""] * (len(_HEADERS) - 1))
    heat = facts.thermal
    battery = "" if heat.battery_percent is None else f"{heat.battery_percent} %"
    battery += "" if heat.battery_celsius is None else f", {heat.battery_celsius:.0f} °C"
    free = f"{facts.free_bytes / 1e9:.1f} GB"
    return (serial, facts.name, facts.android, facts.abi, free, battery, heat.name)
