"""A phone made ready for a run: known, fit, with everything on it, and cool; clean again afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.device.phone import PhoneFacts, check_phone, read_phone
from benchmarks.device.phone_shell import PhoneShell
from benchmarks.device.remote_folder import GUARD_S, remote_folder
from benchmarks.device.thermal import CoolDown, Rest, ThermalState, cool_down, throttling, unfairness
from benchmarks.device.transfer import push_files
from benchmarks.run_record import Step

__all__ = ["PROGRAMS", "Advance", "Prepared", "prepared_phone"]

PROGRAMS = "runner"
"""Where the files that are to be executable lie in a run's folder."""

_MARGIN = 16_000_000  # bytes on the phone for records and what the system needs

Advance = Callable[[str, int], None]
"""Takes what a run is doing and how many steps it has done."""


@dataclass(frozen=True)
class Prepared:
    """A phone on which a program can be started.

    Attributes:
        facts: What it is, from before the first byte was written.
        folder: Of the run, on the phone.
        rest: How its cool-down ended.
    """

    facts: PhoneFacts
    folder: str
    rest: Rest

    def thermal(self, later: Sequence[ThermalState], steps: Sequence[Step]) -> dict[str, Any]:
        """What a result says of heat.

        Args:
            later: The phone during the run and after it, at least once.
            steps: Of the run's record, or none.
        """
        states = [self.rest.state, *later]
        reasons = throttling(states, steps)
        return {
            "before": asdict(states[0]),
            "after": asdict(states[-1]),
            "highest_status": max(state.status or 0 for state in states),
            "cool_down": {"seconds": round(self.rest.seconds, 1), "reached": self.rest.reached},
            "throttled": bool(reasons),
            "reasons": reasons,
            "unfair": unfairness(states[0], self.rest),
        }


@contextmanager
def prepared_phone(
    phone: PhoneShell,
    files_for: Callable[[PhoneFacts], Mapping[str, Path]],
    *,
    written_bytes: int,
    rule: CoolDown,
    at_rest: ThermalState | None,
    advance: Advance,
) -> Iterator[Prepared]:
    """Makes a phone ready, and clean at the end, whatever happens.

    Args:
        phone: Which.
        files_for: Gives what goes into the run's folder, by name there, for a phone whose ABI and version fit.
        written_bytes: What the program is going to write.
        rule: When the phone is cool enough.
        at_rest: How warm it was before the first of several runs; as it is now where not given.
        advance: Is told how far it is.

    Raises:
        DeviceError: The phone does not fit, is full or busy, or the connection is lost and does not come back.
    """
    advance("asking what it is", 0)
    facts = read_phone(phone)
    check_phone(facts, 0)
    files = files_for(facts)
    check_phone(facts, sum(path.stat().st_size for path in files.values()) + written_bytes + _MARGIN)
    with remote_folder(phone, GUARD_S + round(rule.limit_s)) as folder:
        advance("pushing", 0)
        push_files(phone, files, folder)
        phone.retried(lambda: phone.shell(f"chmod -R 755 {folder}/{PROGRAMS}"))
        advance("cooling down", 0)
        rest = cool_down(phone, at_rest or facts.thermal, rule)
        yield Prepared(facts, folder, rest)
        advance("cleaning up", 0)
