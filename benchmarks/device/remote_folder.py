"""A folder of one run on a phone: made, guarded, and gone afterwards, whatever happened in between."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

import psutil

from benchmarks.device.failure import DeviceError, Failure
from benchmarks.device.phone import TEMPORARY
from benchmarks.device.phone_shell import PhoneShell

__all__ = ["GUARD_S", "SCRIPTS", "remote_folder", "remove_leftovers"]

SCRIPTS = files("benchmarks.device") / "scripts"

_PREFIX = f"{TEMPORARY}/mobilevos-"
GUARD_S = 900
"""Seconds without a look after which a phone takes its host for gone and removes the folder itself."""

_OURS = re.compile(rf"{re.escape(_PREFIX)}[0-9a-f]{{8}}")  # what may be removed with all that is in it


@contextmanager
def remote_folder(phone: PhoneShell, guard_s: int = GUARD_S) -> Iterator[str]:
    """A new folder for one run on a phone. At the end what runs in it is killed and it is removed.

    That holds after an error, after Ctrl-C and while the phone comes back after a lost connection. Where it stays away,
    the phone itself removes the folder after a time, or the next run does.

    Args:
        phone: Where; what earlier runs left there is removed.
        guard_s: Seconds without a look by this host after which the phone cleans up itself.

    Yields:
        Its path on the phone.

    Raises:
        DeviceError: The connection is lost, the phone is full, or another run is at work on it.
    """
    remove_leftovers(phone)
    folder = f"{_PREFIX}{secrets.token_hex(4)}"
    try:
        phone.shell(f"mkdir {folder} && cd {folder} && echo {shlex.quote(_this_process())} >owner && touch alive")
        with as_file(SCRIPTS) as scripts:
            phone.push(sorted(Path(scripts).glob("*.sh")), folder)
        phone.shell(f"setsid sh {folder}/guard.sh {folder} {guard_s} </dev/null >/dev/null 2>&1 &")
        yield folder
    finally:
        _remove(phone, folder)


def remove_leftovers(phone: PhoneShell) -> list[str]:
    """Removes what runs of earlier, killed processes left on a phone.

    Returns:
        The folders that were removed.

    Raises:
        DeviceError: Another run is at work there, or the connection is lost.
    """
    # `echo` leaves the pattern as it is where nothing matches: no such name is one of ours.
    listing = phone.shell(
        f"for folder in {_PREFIX}*; do "
        f'echo "$(($(date +%s) - $(stat -c %Y $folder/alive || echo 0))) ${{folder##*/}} $(cat $folder/owner)"; done',
        check=False,
    ).out
    removed = []
    for idle, name, owner in re.findall(r"^(\d+) (mobilevos-[0-9a-f]{8}) (.*)$", listing, re.MULTILINE):
        if _is_at_work(owner, int(idle)):
            what, remedy = f"phone {phone.serial} is busy with another run", "wait until it has ended"
            raise DeviceError(Failure.BUSY, what, found=f"{name} of {owner}", remedy=remedy)
        _destroy(phone, f"{TEMPORARY}/{name}")
        removed.append(f"{TEMPORARY}/{name}")
    return removed


def _this_process() -> str:
    return f"{socket.gethostname()} {os.getpid()} {psutil.Process().create_time():.2f}"


def _is_at_work(owner: str, idle_s: int) -> bool:
    """Whether a folder's owner may still need it. This process, at the start of a run, needs none of its older ones."""
    host, _, process = owner.partition(" ")
    if owner == _this_process():
        return False
    if host != socket.gethostname():
        return idle_s < GUARD_S
    try:
        number, _, created = process.partition(" ")
        return bool(abs(psutil.Process(int(number)).create_time() - float(created)) < 1)
    except (psutil.Error, ValueError):
        return False


def _remove(phone: PhoneShell, folder: str) -> None:
    """Removes a folder whatever state everything is in; says on stderr where that fails."""
    last = phone.unstoppable()
    try:
        last.retried(lambda: _destroy(last, folder))
    except DeviceError as error:
        print(f"{error}; {folder} is left there: the phone removes it later, or the next run", file=sys.stderr)


def _destroy(phone: PhoneShell, folder: str) -> None:
    """Kills every process that names the folder, and its process group if it leads one; removes the folder."""
    assert _OURS.fullmatch(folder)
    # In brackets, so that the pattern is not found in the command line of the shell that looks for it.
    found = f"grep -sl '{folder[:-1]}[{folder[-1]}]' /proc/[0-9]*/cmdline"
    kill = "process=${file#/proc/}; process=${process%/*}; kill -KILL -- -$process || kill -KILL $process"
    phone.shell(f"for file in $({found}); do {kill}; done", check=False)
    phone.shell(f"rm -rf {folder} && [ ! -e {folder} ]")
