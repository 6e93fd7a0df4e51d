"""Heat: what a phone says of it, waiting until it has cooled down, and whether a run was slowed by it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from benchmarks.device.phone_shell import PhoneShell
from benchmarks.protocol import drift
from benchmarks.run_record import Step

__all__ = [
    "LOW_BATTERY",
    "SLOWED",
    "STATUS_NAMES",
    "CoolDown",
    "Rest",
    "ThermalState",
    "cool_down",
    "read_thermal",
    "status_name",
    "throttling",
    "unfairness",
]

STATUS_NAMES = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
"""Android's thermal statuses by number; from `light` on, a phone may throttle."""

SLOWED = 15.0
"""Drift of the step times over a run, in percent, from which it counts as throttled whatever the phone says."""

LOW_BATTERY = 15
"""Charge in percent below which phones save power and slow down."""

_FEWEST_STEPS = 16  # a slope over fewer says nothing


def status_name(status: int | None) -> str:
    """The name of a thermal status: `none`, `light`, ...; `unknown` where a phone does not say."""
    return "unknown" if status is None else STATUS_NAMES[min(status, len(STATUS_NAMES) - 1)]


@dataclass(frozen=True)
class ThermalState:
    """What a phone says of its heat at one moment; None where it does not.

    Attributes:
        status: Android's thermal status, an index of `STATUS_NAMES`.
        battery_celsius: Temperature of the battery.
        battery_percent: Its charge.
        powered: Whether the phone is being charged, which warms it.
    """

    status: int | None
    battery_celsius: float | None
    battery_percent: int | None
    powered: bool | None

    @property
    def name(self) -> str:
        """Of the status; see `status_name`."""
        return status_name(self.status)


def read_thermal(phone: PhoneShell) -> ThermalState:
    """Asks a phone's battery and thermal services.

    Raises:
        DeviceError: The connection is lost.
    """
    # A service that is not there (thermalservice came with Android 10) is one that says nothing.
    said = phone.shell("dumpsys battery; dumpsys thermalservice", check=False).out
    tenths, powered = _number(r"^\s*temperature: (-?\d+)", said), re.findall(r"powered: (true|false)", said)
    return ThermalState(
        status=_number(r"^Thermal Status: (\d+)", said),
        battery_celsius=None if tenths is None else tenths / 10,
        battery_percent=_number(r"^\s*level: (\d+)", said),
        powered="true" in powered if powered else None,
    )


def _number(pattern: str, text: str) -> int | None:
    found = re.search(pattern, text, re.MULTILINE)
    return int(found[1]) if found else None


@dataclass(frozen=True)
class CoolDown:
    """When a phone is cool enough for a run.

    Attributes:
        limit_s: Seconds after which the run starts anyway.
        celsius_above: How much warmer than at rest the battery may be.
        every_s: Seconds between two looks.
    """

    limit_s: float = 300.0
    celsius_above: float = 1.0
    every_s: float = 5.0


@dataclass(frozen=True)
class Rest:
    """How a cool-down ended.

    Attributes:
        seconds: That it took.
        reached: Whether the phone was cool at its end; else the limit was reached.
        state: At its end.
    """

    seconds: float
    reached: bool
    state: ThermalState


def cool_down(phone: PhoneShell, at_rest: ThermalState, rule: CoolDown) -> Rest:
    """Waits until a phone's thermal status is `none` and its battery about as cool as it was at rest.

    Args:
        phone: To look at.
        at_rest: How it was before the first run.
        rule: What is cool enough.

    Raises:
        DeviceError: The connection is lost and does not come back.
        KeyboardInterrupt: The client was stopped.
    """
    start = monotonic()
    while True:
        state = phone.retried(lambda: read_thermal(phone))
        seconds = monotonic() - start
        cool = _is_cool(state, at_rest, rule)
        if cool or seconds + rule.every_s > rule.limit_s:
            return Rest(seconds, cool, state)
        if phone.adb.stop.wait(rule.every_s):
            raise KeyboardInterrupt


def _is_cool(state: ThermalState, at_rest: ThermalState, rule: CoolDown) -> bool:
    if state.status:
        return False
    if state.battery_celsius is None or at_rest.battery_celsius is None:
        return True
    return state.battery_celsius <= at_rest.battery_celsius + rule.celsius_above


def throttling(states: Sequence[ThermalState], steps: Sequence[Step]) -> list[str]:
    """Why a run has to be taken for throttled, one reason each; empty if it need not.

    Args:
        states: Before, during and after it.
        steps: Of its record.
    """
    reasons = []
    hottest = max(states, key=lambda state: state.status or 0, default=None)
    if hottest is not None and hottest.status:
        reasons.append(f"thermal status {hottest.name}")
    times = [step.step_ms for step in steps if step.timed]
    if len(times) >= _FEWEST_STEPS and (percent := drift(times)) >= SLOWED:
        reasons.append(f"step times rose by {percent:.0f} % over the run")
    return reasons


def unfairness(before: ThermalState, rest: Rest | None = None) -> list[str]:
    """Why a phone cannot be measured fairly now, one reason each; empty if it can.

    Args:
        before: Before the run.
        rest: How its cool-down ended, if there was one.
    """
    reasons = []
    if before.battery_percent is not None and before.battery_percent < LOW_BATTERY:
        reasons.append(f"its battery is at {before.battery_percent} %, and below {LOW_BATTERY} % phones slow down")
    if rest is None and before.status:
        reasons.append(f"its thermal status is {before.name}")
    if rest is not None and not rest.reached:
        reasons.append(f"it had not cooled down after {rest.seconds:.0f} s")
    return reasons
