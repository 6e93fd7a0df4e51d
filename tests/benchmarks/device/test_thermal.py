"""Heat: waiting for it to go, and noticing what it did to a run."""

import threading
from dataclasses import replace
from time import monotonic

import pytest
from adb_device import LoopbackDevice
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.device.phone_shell import PhoneShell
from benchmarks.device.thermal import (
    CoolDown,
    Rest,
    ThermalState,
    cool_down,
    read_thermal,
    status_name,
    throttling,
    unfairness,
)
from benchmarks.run_record import Step

COOL = ThermalState(status=0, battery_celsius=30.0, battery_percent=80, powered=False)
RULE = CoolDown(limit_s=60, celsius_above=1.0, every_s=0.1)


def steps_of(times: list[float], *, warm_up: int = 0) -> list[Step]:
    return [Step(index + 1, 0, index < warm_up, time, {}, 1, None) for index, time in enumerate(times)]


@pytest.mark.adb
def test_a_cool_phone_is_not_waited_for(phone: PhoneShell) -> None:
    rest = cool_down(phone, read_thermal(phone), RULE)
    assert rest.reached
    assert rest.seconds < 10


@pytest.mark.adb
@pytest.mark.parametrize("heat", ["status", "battery"])
def test_a_hot_phone_is_waited_for(phone: PhoneShell, device: LoopbackDevice, heat: str) -> None:
    at_rest = read_thermal(phone)

    def set_heat(*, hot: bool) -> None:
        if heat == "status":
            device.root.set_thermal(2 if hot else 0)
        else:
            device.root.set_battery(level=80, celsius=38.0 if hot else 31.9)

    set_heat(hot=True)
    threading.Timer(1, set_heat, kwargs={"hot": False}).start()
    rest = cool_down(phone, at_rest, RULE)
    assert rest.reached
    assert 0.5 < rest.seconds < RULE.limit_s
    assert rest.state == read_thermal(phone)


@pytest.mark.adb
def test_a_phone_that_stays_hot_is_used_after_the_limit_and_that_is_said(
    phone: PhoneShell, device: LoopbackDevice
) -> None:
    device.root.set_thermal(1)
    rest = cool_down(phone, COOL, CoolDown(limit_s=0.5, every_s=0.1))
    assert not rest.reached
    assert rest.seconds < 30
    assert rest.state.name == "light"


@pytest.mark.adb
def test_waiting_can_be_stopped(phone: PhoneShell, device: LoopbackDevice) -> None:
    device.root.set_thermal(3)
    start = monotonic()
    threading.Timer(0.5, phone.adb.stop.set).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            cool_down(phone, COOL, CoolDown(limit_s=200, every_s=100))
    finally:
        phone.adb.stop.clear()
    assert monotonic() - start < 50


def test_a_steady_run_on_a_cool_phone_did_not_throttle() -> None:
    assert throttling([COOL, COOL], steps_of([10.0, 11.0] * 20)) == []
    assert throttling([COOL, ThermalState(None, None, None, None)], []) == []


def test_a_status_above_none_at_any_moment_is_a_reason() -> None:
    (reason,) = throttling([COOL, ThermalState(2, 41.0, 80, False), COOL], steps_of([10.0] * 20))
    assert reason == "thermal status moderate"


@given(st.floats(0.1, 100), st.integers(16, 200))
def test_steps_that_grow_slower_are_a_reason_whatever_the_phone_says(milliseconds: float, count: int) -> None:
    times = [milliseconds * (1 + 0.3 * index / count) for index in range(count)]
    (reason,) = throttling([COOL], steps_of(times))
    assert reason.startswith("step times rose by 2")
    assert throttling([COOL], steps_of(times[::-1])) == []


def test_a_slow_warm_up_and_a_short_run_say_nothing() -> None:
    assert throttling([COOL], steps_of([1.0] * 10 + [100.0] * 30, warm_up=10)) == []
    assert throttling([COOL], steps_of([1.0, 2.0, 3.0])) == []


def test_statuses_have_androids_names() -> None:
    assert [status_name(status) for status in (None, 0, 1, 3, 6, 9)] == [
        "unknown",
        "none",
        "light",
        "severe",
        "shutdown",
        "shutdown",
    ]


@pytest.mark.parametrize(
    ("change", "reached", "words"),
    [
        ({}, None, []),
        ({"battery_percent": 15}, None, []),
        ({"battery_percent": None, "status": None}, None, []),
        ({"battery_percent": 14}, None, ["battery is at 14 %"]),
        ({"status": 3}, None, ["thermal status is severe"]),
        ({}, True, []),
        ({"battery_percent": 3, "status": 1}, False, ["battery is at 3 %", "not cooled down after 60 s"]),
    ],
)
def test_a_phone_that_cannot_be_measured_fairly_is_known(
    change: dict[str, int | None], reached: bool | None, words: list[str]
) -> None:
    state = replace(COOL, **change)  # type: ignore[arg-type]
    reasons = unfairness(state, None if reached is None else Rest(60.0, reached, state))
    assert len(reasons) == len(words)
    assert all(word in reason for word, reason in zip(words, reasons, strict=True))
