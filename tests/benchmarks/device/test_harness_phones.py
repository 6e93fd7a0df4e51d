"""What the harness shows and says of phones, without one: what it would measure is in the place of a real run."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path
from threading import Event
from time import sleep
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from benchmarks.clips import synthetic_clip
from benchmarks.device.adb import Adb, ListedPhone
from benchmarks.device.failure import DeviceError
from benchmarks.device.harness_device import AdbDevice
from benchmarks.device.harness_phones import measure_phones, open_phones
from benchmarks.device.phone import PhoneFacts
from benchmarks.device.session import DeviceJob, DeviceRun
from benchmarks.device.thermal import ThermalState
from benchmarks.jobs import Job, Workload
from benchmarks.protocol import QUICK
from benchmarks.session import Plan

FACTS = PhoneFacts(
    "S1", "Google", "Pixel 8", "arm64-v8a", "14", 34, "G3", (), None, 10**9, ThermalState(0, 30.0, 80, False)
)


def device(serial: str) -> AdbDevice:
    return AdbDevice(SimpleNamespace(serial=serial, adb=SimpleNamespace(stop=Event())), FACTS)  # type: ignore[arg-type]


def plan(output: Path) -> Plan:
    clips = (synthetic_clip(8, (64, 96), objects=1),)
    return Plan(("executorch",), ("fp32",), clips, (1,), QUICK, output, output / "bundles", "adb")


@pytest.mark.parametrize("serials", [("S1",), ("S1", "S2")])
def test_each_phone_shows_what_it_does_and_has_its_folder(
    serials: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {}

    def measure(own: Plan, prepared: object, phone: AdbDevice, progress: object) -> list[str]:
        folders[phone.phone.serial] = own.output
        phone.advance("pushing", 0)
        sleep(0.5)  # the line is drawn ten times a second
        phone.advance("running", 7)
        sleep(0.5)
        return [own.device]

    monkeypatch.setattr("benchmarks.device.harness_phones.measure", measure)
    console = Console(file=StringIO(), force_terminal=True, width=100)
    rows: Any = measure_phones(plan(tmp_path), [], {f"adb:{one}": device(one) for one in serials}, console)
    assert rows == [f"adb:{one}" for one in serials]
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(word in text for word in (*serials, "pushing", "running, 7 steps", "done"))
    several = len(serials) > 1
    assert folders == {one: tmp_path / "phones" / one if several else tmp_path for one in serials}


def test_what_a_phone_does_is_told_with_the_name_of_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(phone: object, job: DeviceJob, output: Path, *, at_rest: ThermalState, advance: Any) -> DeviceRun:
        advance("cooling down", 0)
        raise AssertionError

    monkeypatch.setattr("benchmarks.device.harness_device.run_on_device", run)
    told: list[str] = []
    one = device("S1")
    one.advance = lambda stage, steps: told.append(stage)
    with pytest.raises(AssertionError):
        one._run(SimpleNamespace(), tmp_path, "executorch-fp32")  # type: ignore[arg-type]
    assert told == ["executorch-fp32: cooling down"]


@pytest.mark.parametrize(("target", "named"), [("litert", True), ("onnx", False)])
def test_a_target_that_a_phone_does_not_run_is_skipped_with_another_way_if_there_is_one(
    target: str, named: bool, tmp_path: Path
) -> None:
    job = Job(target, "fp32", Workload((64, 96)), tmp_path, tmp_path, 1)
    clip: Any = None
    ((measured,), _) = device("S1").measure([job], clip, QUICK, 1, tmp_path)
    assert "ExecuTorch bundles alone" in measured.skipped
    assert ("device run --litert-benchmark" in measured.skipped) is named


def connected(monkeypatch: pytest.MonkeyPatch, states: dict[str, str], battery: int = 80) -> None:
    """A client that lists phones in these states."""
    listed = [ListedPhone(serial, state, "") for serial, state in states.items()]
    facts = replace(FACTS, thermal=replace(FACTS.thermal, battery_percent=battery))
    monkeypatch.setattr(Adb, "find", lambda: SimpleNamespace(phones=lambda: listed, stop=Event()))
    monkeypatch.setattr("benchmarks.device.harness_phones.read_phone", lambda phone: facts)


def test_of_all_phones_each_that_is_left_out_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connected(monkeypatch, {"S1": "device", "S2": "unauthorized", "S3": "offline"})
    assert list(open_phones("all")) == ["adb:S1"]
    first, second = capsys.readouterr().out.splitlines()
    assert first == "left out: phone S2: unauthorised; unlock the phone and allow this host on its screen"
    assert second.startswith("left out: phone S3: offline; ")
    connected(monkeypatch, {"S2": "unauthorized", "S3": "offline"})
    with pytest.raises(DeviceError, match="phone S2: unauthorised"):
        open_phones("all")


def test_a_phone_with_a_low_battery_is_one_line_of_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connected(monkeypatch, {"S1": "device"})
    open_phones()
    assert capsys.readouterr().out == ""
    connected(monkeypatch, {"S1": "device"}, battery=7)
    open_phones()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("warning: phone S1 cannot be measured fairly: its battery is at 7 %")
