"""`python -m benchmarks.device list` and `run`, as a user calls them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from types import SimpleNamespace

import psutil
import pytest
from adb_device import LoopbackDevice

from benchmarks.device.__main__ import main
from benchmarks.device.adb import Adb
from benchmarks.device.phone_shell import PhoneShell, choose_phone
from benchmarks.run_record import read_run
from benchmarks.runner.payload import Payload

pytestmark = pytest.mark.adb

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


@pytest.fixture
def arguments(host_runner: Payload, small_bundle: Path, tmp_path: Path) -> Callable[..., list[str]]:
    def make(*more: object) -> list[str]:
        run = ["run", "--bundle", small_bundle, "--output", tmp_path / "out", "--runner", host_runner.folder]
        run += ["--frames", 8, "--threads", 1, "--steps", 12, "--seconds", 0, "--warm-up", 2, *more]
        return [str(one) for one in run]

    return make


@pytest.mark.usefixtures("wide")
def test_the_phones_are_listed_with_what_is_wrong(
    phone: PhoneShell, other: LoopbackDevice, adb: Adb, capsys: pytest.CaptureFixture[str]
) -> None:
    other.faults.unauthorised = True
    adb.call(["connect", other.serial], timeout_s=20)
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in (phone.serial, "Loopback Inc. Loopback", "x86_64", "87 %, 31 °C", "none"))
    assert f"phone {other.serial}: unauthorised; unlock the phone" in out

    assert main(["list", "--json"]) == 0
    listed = {one["serial"]: one for one in json.loads(capsys.readouterr().out)}
    assert listed[phone.serial]["usable"]
    assert listed[phone.serial]["phone"]["android"] == "14"
    assert not listed[other.serial]["usable"]
    assert listed[other.serial]["phone"] is None


def test_no_phone_is_said(adb: Adb, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert "no phone is connected" in capsys.readouterr().out


def test_without_a_phone_a_run_is_one_line(
    adb: Adb, bundle_of: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--bundle", str(bundle_of("torchscript")), "--output", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("mobilevos: error: adb: no device; found no devices; connect one")


@pytest.mark.executorch
@pytest.mark.runner
@pytest.mark.slow
@pytest.mark.usefixtures("wide")
def test_a_run_writes_its_record_and_says_where(
    device: LoopbackDevice, arguments: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments("--serial", device.serial, "--size", "60x90")) == 0
    out = capsys.readouterr().out
    assert "Loopback" in out
    assert str(tmp_path / "out") in out
    assert "Loopback Inc. Loopback, INVALID: " in out
    record = read_run(tmp_path / "out")
    assert (record.frames, record.height, record.width) == (8, 64, 96)  # a size is raised to multiples of 16
    assert device.root.left() == []


@pytest.mark.executorch
@pytest.mark.runner
@pytest.mark.slow
def test_several_phones_run_at_once_and_one_that_fails_does_not_stop_the_others(
    device: LoopbackDevice,
    other: LoopbackDevice,
    arguments: Callable[..., list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    both = ("--serial", device.serial, "--serial", other.serial)
    assert main(arguments(*both)) == 0
    for one in (device, other):
        assert read_run(tmp_path / "out" / one.serial.replace(":", "-")).frames == 8
        assert one.root.left() == []
    other.root.set_capacity(1_000_000)
    assert main(arguments(*both, "--frames", 7)) == 2
    assert f"phone {other.serial} (Loopback Inc. Loopback) is full" in capsys.readouterr().err
    assert read_run(tmp_path / "out" / device.serial.replace(":", "-")).frames == 7


def command_line(process: psutil.Process) -> list[str]:
    """Empty of a process that has ended since it was listed."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.fixture
def running(device: LoopbackDevice, arguments: Callable[..., list[str]]) -> Iterator[SimpleNamespace]:
    """The command in a process of its own, once the runner runs on the phone."""
    command = [sys.executable, "-m", "benchmarks.device", *arguments("--serial", device.serial, "--seconds", 600)]
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background of a shell inherits an ignored SIGINT; a user at a terminal has the default.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    end = monotonic() + 120
    while not any("--clip" in command_line(one) for one in device.root.processes()):
        assert process.poll() is None, process.communicate()
        assert monotonic() < end
        sleep(0.2)
    yield SimpleNamespace(process=process)
    process.kill()
    process.communicate()


@pytest.mark.executorch
@pytest.mark.runner
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_or_terminated_cleans_up(
    device: LoopbackDevice, running: SimpleNamespace, number: signal.Signals
) -> None:
    running.process.send_signal(number)
    _, err = running.process.communicate(timeout=60)
    assert running.process.returncode == 130
    assert err.endswith("mobilevos: error: interrupted\n")
    assert device.root.left() == []
    assert device.root.processes() == []


@pytest.mark.executorch
@pytest.mark.runner
@pytest.mark.slow
def test_what_a_killed_run_left_is_removed_by_the_next(
    device: LoopbackDevice, adb: Adb, running: SimpleNamespace, arguments: Callable[..., list[str]]
) -> None:
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait()
    (left,) = device.root.left()
    assert device.root.processes()
    choose_phone(adb, device.serial)
    assert main(arguments("--serial", device.serial)) == 0
    assert device.root.left() == []
    assert device.root.processes() == [], left
