"""One phone through adb: its shell with exit codes, files to it and from it, and what to do when it is lost.

What adb does not tell is found out here: a connection that breaks during `adb shell` ends the client with code 0 (adb
29), so every command says itself, in its last line, that it came to its end and how.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from time import monotonic
from typing import TypeVar

from benchmarks.device.adb import Adb, Ended, ListedPhone, failed
from benchmarks.device.failure import DeviceError, Failure, classify

__all__ = ["PhoneShell", "choose_phone", "unusable"]

T = TypeVar("T")

SHELL_TIMEOUT_S = 30.0
_SLOWEST = 500_000  # bytes/s of a transfer that is not given up
_TRIES = 4
_BACKOFF_S = 0.5  # before the second try, doubled for each further one
RECONNECT_S = 10.0
_SETTLE_S = 2.0  # in which a phone that was just connected to says whether it can be used
_LOOK_S = 0.1
_ADDRESS = re.compile(r"[^\s:]+:\d+")
# With these codes clients end where the connection broke. Any other, without the last line, is a killed shell's.
_SILENT_CODES = (0, 1, 255)


def choose_phone(adb: Adb, serial: str | None = None) -> PhoneShell:
    """The phone of that name, connected to if it is an address; without a name the only one.

    Raises:
        DeviceError: There is none or several, or it is unauthorised or offline.
    """
    phones = adb.phones()
    if serial is not None:
        if _ADDRESS.fullmatch(serial) and not any(phone.serial == serial and phone.usable for phone in phones):
            phones = _connected(adb, serial)
        phones = [phone for phone in phones if phone.serial == serial]
    if len(phones) > 1:
        listed = ", ".join(phone.serial for phone in phones)
        what = "several phones are connected"
        raise DeviceError(Failure.SEVERAL, what, expected="one", found=listed, remedy="name one with --serial")
    if not phones:
        words = f"device '{serial}' not found" if serial else "no devices"
        raise failed(f"phone {serial}" if serial else "adb", Ended(1, "", words), otherwise=Failure.NO_DEVICE)
    if not phones[0].usable:
        raise unusable(phones[0])
    return PhoneShell(adb, phones[0].serial)


def unusable(phone: ListedPhone) -> DeviceError:
    """Why a phone that is listed in another state than `device` cannot be used."""
    words = f"device {phone.state}"
    failure, remedy = classify(words) or (Failure.OFFLINE, "look at the phone's screen")
    return DeviceError(failure, f"phone {phone.serial}: {failure.value}", remedy=remedy)


def _connected(adb: Adb, serial: str) -> list[ListedPhone]:
    """What is listed after a phone was connected to and has had time to say whether it can be used."""
    try:
        adb.connect(serial)
    except DeviceError:
        # Of a phone that hears but does not allow this host, or never answers, the list knows more.
        if all(phone.serial != serial for phone in adb.phones()):
            raise
    end = monotonic() + _SETTLE_S
    while True:
        phones = adb.phones()
        state = next((phone.state for phone in phones if phone.serial == serial), "offline")
        if state not in ("offline", "connecting", "authorizing") or monotonic() > end:
            return phones
        adb.stop.wait(_LOOK_S)


@dataclass(frozen=True)
class PhoneShell:
    """A phone that was connected when it was chosen. What fails later for want of it is a lost connection.

    Attributes:
        adb: The client.
        serial: The phone's.
    """

    adb: Adb
    serial: str

    def unstoppable(self) -> PhoneShell:
        """The same phone for what has to be done after all was stopped: cleaning up."""
        return replace(self, adb=replace(self.adb, stop=Event()))

    def shell(self, command: str, *, timeout_s: float = SHELL_TIMEOUT_S, check: bool = True) -> Ended:
        """Runs a command by the phone's shell.

        Args:
            command: As the shell reads it.
            timeout_s: Seconds that it may take. On the phone it may go on then.
            check: Whether an exit code that is not 0 is an error.

        Raises:
            DeviceError: The connection is lost, the time is over, or `check` and the command failed.
        """
        mark = f"mobilevos-{secrets.token_hex(8)}"
        arguments = ["-s", self.serial, "shell", f"( {command}\n); echo {mark} $?"]
        done = self.adb.call(arguments, timeout_s=timeout_s)
        out, ended, code = done.out.replace("\r\n", "\n").rpartition(f"{mark} ")
        if not ended and done.code in _SILENT_CODES:
            raise self._error(done, Failure.CONNECTION_LOST)
        done = Ended(int(code), out, done.err) if ended else done
        if check and done.code:
            said = (done.err or done.out).strip().splitlines()
            killed = " (killed)" if done.code == 128 + 9 else ""
            raise DeviceError(
                Failure.NO_SPACE if "No space left" in done.err else Failure.EXIT_CODE,
                f"phone {self.serial}: {command.split(maxsplit=1)[0]} ended with code {done.code}{killed}",
                found=said[-1][:200] if said else "",
            )
        return done

    def push(self, sources: Sequence[Path], folder: str) -> None:
        """Copies files into a folder of the phone that exists; tried again where the connection is lost.

        Raises:
            DeviceError: As `shell`; the phone is full.
        """
        size = sum(path.stat().st_size for path in sources)
        self._transfer(["push", *map(str, sources), f"{folder}/"], size)

    def pull(self, sources: Sequence[str], folder: Path, size: int) -> None:
        """Copies files of the phone, of so many bytes in all, into a folder; tried again where the connection is lost.

        Raises:
            DeviceError: As `shell`; there is no such file.
        """
        self._transfer(["pull", *sources, f"{folder}/"], size)

    def retried(self, action: Callable[[], T]) -> T:
        """Does something, and again after growing pauses where the connection is lost: four times at most.

        Raises:
            DeviceError: The connection was lost too often or does not come back. Other failures are not tried again.
        """
        for tries in range(1, _TRIES):
            try:
                return action()
            except DeviceError as error:
                if error.failure is not Failure.CONNECTION_LOST:
                    raise
                self.adb.stop.wait(_BACKOFF_S * 2 ** (tries - 1))
                if not self.reconnected():
                    raise
        return action()

    def reconnected(self) -> bool:
        """Waits for a phone that was lost, and says whether it is there again."""
        end = monotonic() + RECONNECT_S
        while monotonic() < end and not self.adb.stop.is_set():
            try:
                choose_phone(self.adb, self.serial)
            except DeviceError as error:
                if error.failure not in (Failure.NO_DEVICE, Failure.OFFLINE, Failure.CONNECTION_LOST):
                    return False
                self.adb.stop.wait(_LOOK_S)
            else:
                return True
        return False

    def _transfer(self, arguments: list[str], size: int) -> None:
        def transfer() -> None:
            done = self.adb.call(["-s", self.serial, *arguments], timeout_s=SHELL_TIMEOUT_S + size / _SLOWEST)
            if done.code:
                raise self._error(done, Failure.EXIT_CODE)

        self.retried(transfer)

    def _error(self, done: Ended, otherwise: Failure) -> DeviceError:
        """The failure that adb tells of. A phone that is not there was lost: it was there when it was chosen."""
        error = failed(f"phone {self.serial}", done, otherwise=otherwise)
        if error.failure not in (Failure.NO_DEVICE, Failure.OFFLINE):
            return error
        remedy = "check its cable or network, and start again"
        return DeviceError(Failure.CONNECTION_LOST, f"phone {self.serial}: connection lost", remedy=remedy)
