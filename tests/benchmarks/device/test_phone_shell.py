"""Debian's adb client against the phone on the loopback: what works, and what each failure is called."""

from __future__ import annotations

import threading
from pathlib import Path
from time import monotonic

import pytest
from adb_device import LoopbackDevice

from benchmarks.device.adb import Adb
from benchmarks.device.failure import DeviceError, Failure
from benchmarks.device.phone_shell import PhoneShell, choose_phone

pytestmark = pytest.mark.adb

TMP = "/data/local/tmp"
MB = 1_000_000


def file_of(folder: Path, size: int, name: str = "file") -> Path:
    path = folder / name
    path.write_bytes(bytes(range(256)) * (size // 256))
    return path


def failure_of(error: pytest.ExceptionInfo[DeviceError]) -> Failure:
    assert "\n" not in str(error.value)
    return error.value.failure


def test_a_phone_is_connected_to_by_its_address_and_listed(adb: Adb, device: LoopbackDevice) -> None:
    assert all(phone.serial != device.serial for phone in adb.phones())
    assert choose_phone(adb, device.serial).serial == device.serial
    (listed,) = (phone for phone in adb.phones() if phone.serial == device.serial)
    assert (listed.state, listed.model) == ("device", "Loopback")
    assert choose_phone(adb).serial == device.serial  # the only one


def test_a_command_gives_output_errors_and_exit_code(phone: PhoneShell) -> None:
    done = phone.shell("echo 'to you'; echo 'not you' >&2; exit 7", check=False)
    assert (done.code, done.out, done.err) == (7, "to you\n", "not you\n")
    assert phone.shell("printf 'no line end'").out == "no line end"


def test_an_exit_code_that_is_not_0_is_one_line(phone: PhoneShell) -> None:
    with pytest.raises(DeviceError, match=r"cat ended with code 1; found .*No such file") as error:
        phone.shell("cat /nowhere")
    assert failure_of(error) is Failure.EXIT_CODE


def test_a_killed_command_says_so(phone: PhoneShell, device: LoopbackDevice) -> None:
    device.faults.kill = "sleep 1"
    with pytest.raises(DeviceError, match=r"code 137 \(killed\)"):
        phone.shell("sleep 1")


def test_a_command_that_takes_too_long_is_given_up(phone: PhoneShell) -> None:
    start = monotonic()
    with pytest.raises(DeviceError, match=r"did not end; expected an answer within 0.5 s") as error:
        phone.shell("sleep 100", timeout_s=0.5)
    assert failure_of(error) is Failure.TIMEOUT
    assert monotonic() - start < 500


def test_a_connection_that_breaks_in_a_command_is_no_success(phone: PhoneShell, device: LoopbackDevice) -> None:
    """The client itself ends with code 0 there."""
    device.faults.cut_in = "sleep 5"
    with pytest.raises(DeviceError, match="connection lost") as error:
        phone.shell("echo begun; sleep 5")
    assert failure_of(error) is Failure.CONNECTION_LOST
    assert phone.reconnected()
    assert phone.shell("echo again").out == "again\n"


def test_files_go_there_and_back(phone: PhoneShell, device: LoopbackDevice, tmp_path: Path) -> None:
    sources = [file_of(tmp_path, 3 * MB, "a file"), file_of(tmp_path, 256, "ä")]
    phone.push(sources, TMP)
    assert device.root.left() == ["a file", "ä"]
    (tmp_path / "back").mkdir()
    phone.pull([f"{TMP}/a file", f"{TMP}/ä"], tmp_path / "back", 4 * MB)
    for source in sources:
        assert (tmp_path / "back" / source.name).read_bytes() == source.read_bytes()


def test_a_push_goes_on_after_the_connection_broke(phone: PhoneShell, device: LoopbackDevice, tmp_path: Path) -> None:
    device.faults.cut_after_bytes = 2 * MB
    source = file_of(tmp_path, 5 * MB)
    phone.push([source], TMP)
    assert device.faults.cut_after_bytes is None  # it did break
    assert device.root.received == [f"{TMP}/file"] * 2
    assert device.root.path(f"{TMP}/file").read_bytes() == source.read_bytes()


def test_a_phone_that_stays_away_is_given_up(
    phone: PhoneShell, device: LoopbackDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.device.phone_shell.RECONNECT_S", 1)
    device.faults.cut_after_bytes, device.faults.stays_down = 2 * MB, True
    with pytest.raises(DeviceError, match=r"connection lost.*check its cable") as error:
        phone.push([file_of(tmp_path, 5 * MB)], TMP)
    assert failure_of(error) is Failure.CONNECTION_LOST


def test_a_full_phone_is_not_tried_again(phone: PhoneShell, device: LoopbackDevice, tmp_path: Path) -> None:
    device.root.set_capacity(2 * MB)
    with pytest.raises(DeviceError, match=r"no space.*free some space") as error:
        phone.push([file_of(tmp_path, 5 * MB)], TMP)
    assert failure_of(error) is Failure.NO_SPACE
    assert device.root.received == [f"{TMP}/file"]
    assert device.root.left() == []


def test_a_file_that_is_not_there_is_one_line(phone: PhoneShell, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="does not exist") as error:
        phone.pull([f"{TMP}/nothing"], tmp_path, 0)
    assert failure_of(error) is Failure.EXIT_CODE


def test_a_slow_phone_is_waited_for(phone: PhoneShell, device: LoopbackDevice) -> None:
    device.faults.delay_s = 0.3
    assert phone.shell("echo late").out == "late\n"


def test_a_phone_that_does_not_allow_this_host_says_what_to_do(adb: Adb, device: LoopbackDevice) -> None:
    device.faults.unauthorised = True
    with pytest.raises(DeviceError, match="unlock the phone") as error:
        choose_phone(adb, device.serial)
    assert failure_of(error) is Failure.UNAUTHORISED


def test_a_phone_that_never_answers_is_offline(adb: Adb, device: LoopbackDevice) -> None:
    device.faults.silent = True
    with pytest.raises(DeviceError) as error:
        choose_phone(adb, device.serial)
    assert failure_of(error) is Failure.OFFLINE


def test_no_phone_is_one_line(adb: Adb, device: LoopbackDevice) -> None:
    device.hang_up()
    for serial in (device.serial, "R58M123", None):
        with pytest.raises(DeviceError, match="USB debugging") as error:
            choose_phone(adb, serial)
        assert failure_of(error) is Failure.NO_DEVICE


def test_of_several_phones_one_must_be_named(phone: PhoneShell, adb: Adb, tmp_path: Path) -> None:
    with LoopbackDevice(tmp_path / "other") as other:
        choose_phone(adb, other.serial)
        with pytest.raises(DeviceError, match=r"name one with --serial") as error:
            choose_phone(adb)
        assert failure_of(error) is Failure.SEVERAL
        assert other.serial in str(error.value)
        assert choose_phone(adb, other.serial).shell("echo here").out == "here\n"
        adb.call(["disconnect", other.serial], timeout_s=20)


def test_who_waits_can_be_stopped(phone: PhoneShell) -> None:
    threading.Timer(0.3, phone.adb.stop.set).start()
    start = monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            phone.shell("sleep 100")
    finally:
        phone.adb.stop.clear()
    assert monotonic() - start < 50
    phone.adb.stop.set()
    assert phone.unstoppable().shell("echo cleaned").out == "cleaned\n"
    phone.adb.stop.clear()


def test_without_adb_the_user_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceError, match="apt install adb") as error:
        Adb.find()
    assert failure_of(error) is Failure.NO_ADB
