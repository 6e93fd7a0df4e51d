"""A program that runs on a phone by itself, and is looked at from here until it ends.

It is not a child of `adb shell`: a connection that is lost and comes back costs no run, and nothing but a look every
few seconds goes on beside the measurement.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic

from benchmarks.device.failure import DeviceError, Failure
from benchmarks.device.phone_shell import PhoneShell

__all__ = ["Looks", "RemoteProcess"]

_EVERY_S = 2.0
_STALLED_S = 300.0
_STARTED = "for wait in 0 1 2 3 4 5 6 7 8 9; do [ -s pid ] && exit 0; sleep 0.3; done; exit 1"
_LOOK = (
    "cd {folder} && touch alive; "
    "if [ -e exit_code ]; then cat exit_code; elif kill -0 $(cat pid); then echo running; else echo gone; fi; "
    "tail -c +{place} stdout"
)


@dataclass(frozen=True)
class Looks:
    """How a program is looked at.

    Attributes:
        every_s: Seconds between two looks; each costs the phone a moment of a shell.
        stalled_s: Seconds without any output after which it counts as hanging.
    """

    every_s: float = _EVERY_S
    stalled_s: float = _STALLED_S


@dataclass
class RemoteProcess:
    """A program on a phone.

    Attributes:
        phone: Where it runs.
        folder: Of the run, on the phone.
        looks: How it is looked at.
        output: What it printed so far, in whole lines.
    """

    phone: PhoneShell
    folder: str
    looks: Looks = field(default_factory=Looks)
    output: list[str] = field(default_factory=list)
    _read: int = 0
    _rest: str = ""

    def start(self, command: Sequence[str]) -> None:
        """Starts it.

        Args:
            command: A program of the phone, by its path, and its arguments.

        Raises:
            DeviceError: The connection is lost, or the phone's shell cannot start it.
        """
        self.output, self._read, self._rest = [], 0, ""
        started = shlex.join(["setsid", "sh", f"{self.folder}/run.sh", self.folder, *command])
        self.phone.shell(f"cd {self.folder} && rm -f pid exit_code; {started} </dev/null >/dev/null 2>&1 & {_STARTED}")

    def lines(self) -> Iterator[list[str]]:
        """Looks at it until it ends: at each look, the whole lines that it printed since the last.

        Raises:
            DeviceError: It failed, was killed or hangs; the connection is lost and does not come back.
            KeyboardInterrupt: The client was stopped.
        """
        heard = monotonic()
        gone = 0
        while True:
            state, new = self.phone.retried(self._look)
            if new:
                heard = monotonic()
                yield new
            if state == "0":
                return
            # Between the two questions it may have ended: only the second look's "gone" says that it was killed.
            gone = gone + 1 if state == "gone" else 0
            if state not in ("running", "gone") or gone == 2:
                raise self._failed(state)
            if monotonic() - heard > self.looks.stalled_s:
                what = f"phone {self.phone.serial}: the program hangs"
                raise DeviceError(Failure.TIMEOUT, what, expected=f"a step within {self.looks.stalled_s:g} s")
            if self.phone.adb.stop.wait(self.looks.every_s):
                raise KeyboardInterrupt

    def _look(self) -> tuple[str, list[str]]:
        out = self.phone.shell(_LOOK.format(folder=self.folder, place=self._read + 1), check=False).out
        state, _, new = out.partition("\n")
        self._read += len(new.encode())
        *whole, self._rest = (self._rest + new).split("\n")
        self.output += whole
        return state, whole

    def _failed(self, state: str) -> DeviceError:
        said = self.phone.shell(f"tail -n 1 {self.folder}/stderr", check=False).out.strip()
        code = int(state) if state.isdigit() else 0
        if state == "gone" or code == 128 + 9:
            what, remedy = f"phone {self.phone.serial}: the program was killed", "a phone short of memory does that"
            return DeviceError(Failure.EXIT_CODE, what, remedy=remedy)
        what = f"phone {self.phone.serial}: the program ended with code {state}"
        return DeviceError(Failure.EXIT_CODE, what, found=said.removeprefix("mobilevos-runner: error: ")[:300])
