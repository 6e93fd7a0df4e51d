"""What can go wrong between this host and a phone, told from the words of the adb client."""

from __future__ import annotations

import re
from enum import StrEnum

from mobilevos.errors import InputError

__all__ = ["DeviceError", "Failure", "classify"]


class Failure(StrEnum):
    """The kinds of failure. Only `CONNECTION_LOST` is worth another try."""

    NO_ADB = "no adb"
    NO_DEVICE = "no device"
    SEVERAL = "several devices"
    UNAUTHORISED = "unauthorised"
    NO_PERMISSION = "no permission"
    OFFLINE = "offline"
    CONNECTION_LOST = "connection lost"
    NO_SPACE = "no space"
    TIMEOUT = "timeout"
    EXIT_CODE = "exit code"
    DAMAGED = "damaged"
    BUSY = "busy"
    UNSUITABLE = "unsuitable"


class DeviceError(InputError):
    """A phone cannot be used, or something on it failed: one line, as of `InputError`.

    Args:
        failure: Its kind.
        what: The thing at fault; starts with the phone's serial where there is one.
        expected: What was expected of it.
        found: What came instead.
        remedy: What the user can do.
    """

    def __init__(self, failure: Failure, what: str, *, expected: str = "", found: str = "", remedy: str = "") -> None:
        self.failure = failure
        super().__init__(what, expected=expected, found=found, remedy=remedy)


_CABLE = "check its cable or network, and start again"

# The words of adb clients from version 29 on, the first match counts; what the user can do about it.
_SIGNS: tuple[tuple[str, Failure, str], ...] = (
    (r"no space left", Failure.NO_SPACE, "free some space on the phone, or take a shorter or smaller clip"),
    (
        r"unauthorized|still authorizing|failed to authenticate",
        Failure.UNAUTHORISED,
        "unlock the phone and allow this host on its screen",
    ),
    (r"(insufficient|no) permissions", Failure.NO_PERMISSION, "give your user access to the USB device (udev rules)"),
    (r"more than one (device|emulator)", Failure.SEVERAL, "name one with --serial"),
    (
        r"no devices|device '.*' not found|no such device|failed to connect|cannot connect|connection refused"
        r"|failed to resolve|no route to host",
        Failure.NO_DEVICE,
        "connect one with USB debugging on, or `adb connect HOST:PORT`; `adb devices` lists them",
    ),
    (r"device offline|still connecting", Failure.OFFLINE, "unplug the phone and plug it in again, or restart adb"),
    (
        r"couldn't read from device|error: closed|protocol fault|connect failed|connection reset|broken pipe"
        r"|failed to (read|write|send)|\beof\b|device disconnected|couldn't send|transport",
        Failure.CONNECTION_LOST,
        _CABLE,
    ),
)


def classify(words: str) -> tuple[Failure, str] | None:
    """The kind of failure that adb's words tell of, and what the user can do; None for words not known."""
    for pattern, failure, remedy in _SIGNS:
        if re.search(pattern, words, re.IGNORECASE):
            return failure, remedy
    return None
