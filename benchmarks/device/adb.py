"""The adb client of the machine, typed: calls with a time limit, what is connected, connecting over a network.

The client is Android's own program, so all of its ways to a phone (USB, Wi-Fi, emulator) work, and
`ANDROID_ADB_SERVER_PORT` names its server as always.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event
from time import monotonic
from typing import Self

from benchmarks.device.failure import DeviceError, Failure, classify

__all__ = ["Adb", "Ended", "ListedPhone", "failed"]

LIST_TIMEOUT_S = 20.0  # the first call starts the server
_LOOK_S = 0.1  # between two looks whether to stop


@dataclass(frozen=True)
class ListedPhone:
    """A line of `adb devices -l`.

    Attributes:
        serial: Its name for adb.
        state: `device` when it can be used; `unauthorized`, `offline`, `no permissions`, ...
        model: As it says itself, or empty.
    """

    serial: str
    state: str
    model: str

    @property
    def usable(self) -> bool:
        """Whether commands can be sent."""
        return self.state == "device"


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: Its exit code.
        out: Its standard output.
        err: Its standard error.
    """

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Adb:
    """The client program.

    Attributes:
        program: Its path.
        stop: When set, what runs is given up with KeyboardInterrupt: the way to end a thread that waits for a phone.
    """

    program: str
    stop: Event = field(default_factory=Event)

    @classmethod
    def find(cls) -> Self:
        """The client on the user's path.

        Raises:
            DeviceError: There is none.
        """
        program = shutil.which("adb")
        if program is None:
            remedy = "install Android's platform tools (on Debian: apt install adb)"
            raise DeviceError(Failure.NO_ADB, "there is no adb on the path", remedy=remedy)
        return cls(program)

    def phones(self) -> list[ListedPhone]:
        """What is connected, whatever its state.

        Raises:
            DeviceError: adb's server does not start or answer.
        """
        done = self.call(["devices", "-l"], timeout_s=LIST_TIMEOUT_S)
        if done.code:
            raise failed("adb devices", done, otherwise=Failure.NO_ADB)
        return [_listed(line) for line in done.out.splitlines()[1:] if line.strip() and not line.startswith("*")]

    def connect(self, address: str) -> None:
        """Connects to a phone on the network, anew if the connection is stale.

        Args:
            address: `HOST:PORT`.

        Raises:
            DeviceError: Nothing answers there.
        """
        if any(phone.serial == address and not phone.usable for phone in self.phones()):
            # "already connected", a client says of a connection that is long dead.
            self.call(["disconnect", address], timeout_s=LIST_TIMEOUT_S)
        done = self.call(["connect", address], timeout_s=LIST_TIMEOUT_S)
        if "connected to" not in done.out:
            raise failed(f"phone {address}", done, otherwise=Failure.NO_DEVICE)

    def call(self, arguments: Sequence[str], *, timeout_s: float) -> Ended:
        """Runs the client itself.

        Raises:
            DeviceError: It takes longer than `timeout_s`.
            KeyboardInterrupt: `stop` was set.
        """
        # In a session of its own: a Ctrl-C at the terminal is for this program, which has to clean up with adb's help.
        process = subprocess.Popen(
            [self.program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        end = monotonic() + timeout_s
        try:
            while True:
                try:
                    out, err = process.communicate(timeout=_LOOK_S)
                except subprocess.TimeoutExpired:
                    self._give_up(arguments, timeout_s, late=monotonic() > end)
                else:
                    return Ended(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def _give_up(self, arguments: Sequence[str], timeout_s: float, *, late: bool) -> None:
        if self.stop.is_set():
            raise KeyboardInterrupt
        if late:
            what = f"adb {shlex.join(arguments)[:80]} did not end"
            remedy = "look whether the phone still answers"
            raise DeviceError(Failure.TIMEOUT, what, expected=f"an answer within {timeout_s:g} s", remedy=remedy)


def failed(name: str, done: Ended, *, otherwise: Failure) -> DeviceError:
    """The error that the client's words tell of.

    Args:
        name: What failed.
        done: What the client said; pull's errors come on its standard output.
        otherwise: The kind where the words are not known.
    """
    lines = [line for line in (done.err + "\n" + done.out).splitlines() if line.strip() and not line.startswith("*")]
    words = next((line for line in lines if "error" in line or "failed" in line), lines[0] if lines else "")
    failure, remedy = classify(words) or (otherwise, "")
    return DeviceError(failure, f"{name}: {failure.value}", found=words.strip()[:200], remedy=remedy)


def _listed(line: str) -> ListedPhone:
    serial, _, rest = line.strip().partition(" " if " " in line.strip() else "\t")
    state = "no permissions" if "no permissions" in rest else next(iter(rest.split()), "")
    model = re.search(r"\bmodel:(\S+)", rest)
    return ListedPhone(serial, state, model[1].replace("_", " ") if model else "")
