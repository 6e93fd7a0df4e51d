"""What a phone is, read from its own answers, and which phones are refused."""

from dataclasses import replace

import pytest
from adb_device import LoopbackDevice

from benchmarks.device.failure import DeviceError, Failure
from benchmarks.device.phone import Core, PhoneFacts, check_phone, read_phone
from benchmarks.device.phone_shell import PhoneShell
from benchmarks.device.thermal import ThermalState

FACTS = PhoneFacts(
    serial="S1",
    manufacturer="Google",
    model="Pixel 8",
    abi="arm64-v8a",
    android="14",
    sdk=34,
    chip="Tensor G3",
    cores=(),
    memory_bytes=None,
    free_bytes=100_000_000,
    thermal=ThermalState(0, 30.0, 80, False),
)


@pytest.mark.adb
def test_facts_are_the_phones_own(phone: PhoneShell, device: LoopbackDevice) -> None:
    device.root.set_capacity(1_000_000_000)
    device.root.set_battery(level=41, celsius=35.6)
    device.root.set_thermal(2)
    facts = read_phone(phone)
    assert facts.serial == device.serial
    assert (facts.name, facts.abi, facts.android, facts.sdk, facts.chip) == (
        "Loopback Inc. Loopback",
        "x86_64",
        "14",
        34,
        "LB-1",
    )
    assert facts.cores == (Core(0, 1800, "schedutil"), Core(1, 2400, "schedutil"))
    assert 0.99e9 < facts.free_bytes < 1e9
    assert facts.thermal == ThermalState(status=2, battery_celsius=35.6, battery_percent=41, powered=True)
    assert facts.memory_bytes is not None
    assert facts.memory_bytes > 1e8


@pytest.mark.adb
def test_a_phone_that_says_little_is_no_error(phone: PhoneShell, device: LoopbackDevice) -> None:
    for service in ("battery", "thermalservice"):
        (device.root.folder / "state" / f"dumpsys-{service}").unlink()
    for file in device.root.path("/sys/devices/system/cpu").rglob("cpuinfo_max_freq"):
        file.unlink()
    facts = read_phone(phone)
    assert facts.thermal == ThermalState(None, None, None, None)
    assert [core.max_mhz for core in facts.cores] == [None, None]


def test_a_manufacturer_in_the_models_name_is_not_said_twice() -> None:
    assert FACTS.name == "Google Pixel 8"
    assert replace(FACTS, model="google Pixel").name == "google Pixel"
    assert replace(FACTS, manufacturer="", model="").name == "S1"


@pytest.mark.parametrize(
    ("change", "failure", "words"),
    [
        ({"abi": "armeabi-v7a"}, Failure.UNSUITABLE, "expected ABI arm64-v8a or x86_64; found armeabi-v7a"),
        ({"android": "7.1", "sdk": 25}, Failure.UNSUITABLE, "expected Android 8 or later; found Android 7.1"),
        ({"free_bytes": 9_999_999}, Failure.NO_SPACE, "is full; expected 10 MB"),
    ],
)
def test_a_phone_that_does_not_fit_is_refused(change: dict[str, object], failure: Failure, words: str) -> None:
    check_phone(FACTS, 10_000_000)
    with pytest.raises(DeviceError, match=words) as error:
        check_phone(replace(FACTS, **change), 10_000_000)  # type: ignore[arg-type]
    assert error.value.failure is failure
