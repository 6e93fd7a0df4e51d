"""A run's folder on a phone is gone afterwards, whatever happened, and so is what ran in it."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from time import monotonic, sleep

import psutil
import pytest
from adb_device import LoopbackDevice

from benchmarks.device.adb import Adb
from benchmarks.device.failure import DeviceError, Failure
from benchmarks.device.phone_shell import PhoneShell
from benchmarks.device.remote_folder import remote_folder, remove_leftovers
from benchmarks.device.remote_process import RemoteProcess

pytestmark = pytest.mark.adb

TMP = "/data/local/tmp"


def eventually(holds: Callable[[], bool], seconds: float = 15) -> bool:
    end = monotonic() + seconds
    while not holds() and monotonic() < end:
        sleep(0.1)
    return holds()


def leave_behind(device: LoopbackDevice, owner: str, name: str = "mobilevos-0123abcd") -> None:
    folder = device.root.path(f"{TMP}/{name}")
    folder.mkdir()
    (folder / "owner").write_text(owner + "\n")
    (folder / "alive").touch()
    (folder / "frames.rgb").write_bytes(bytes(1000))


def test_a_folder_is_there_during_a_run_and_gone_after_it(phone: PhoneShell, device: LoopbackDevice) -> None:
    with remote_folder(phone) as folder:
        assert device.root.path(folder).is_dir()
        assert phone.shell(f"echo data >{folder}/file; cat {folder}/file").out == "data\n"
    assert device.root.left() == []
    assert device.root.processes() == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_what_runs_there_is_killed_after_an_error(
    phone: PhoneShell, device: LoopbackDevice, error: type[BaseException]
) -> None:
    def run() -> None:
        with remote_folder(phone) as folder:
            RemoteProcess(phone, folder).start(["sh", "-c", "sleep 100 & sleep 100"])
            assert eventually(lambda: sum("100" in process.cmdline() for process in device.root.processes()) >= 2)
            raise error

    with pytest.raises(error):
        run()
    assert device.root.left() == []
    assert eventually(lambda: device.root.processes() == [], 2)


def test_a_stopped_client_still_cleans_up(phone: PhoneShell, device: LoopbackDevice) -> None:
    def run() -> None:
        with remote_folder(phone):
            phone.adb.stop.set()
            phone.shell("echo never; sleep 1")

    with pytest.raises(KeyboardInterrupt):
        run()
    phone.adb.stop.clear()
    assert device.root.left() == []


def test_a_connection_that_comes_back_is_waited_for_to_clean_up(phone: PhoneShell, device: LoopbackDevice) -> None:
    device.faults.cut_in = "sleep 3"
    with pytest.raises(DeviceError, match="connection lost"), remote_folder(phone):
        phone.shell("sleep 3")
    assert device.root.left() == []


def test_what_cannot_be_removed_is_said_and_removed_by_the_next_run(
    phone: PhoneShell, device: LoopbackDevice, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.device.phone_shell.RECONNECT_S", 1)
    device.faults.cut_in, device.faults.stays_down = "sleep 3", True
    with pytest.raises(DeviceError), remote_folder(phone):
        phone.shell("sleep 3")
    (lost,) = device.root.left()
    assert f"{TMP}/{lost} is left there" in capsys.readouterr().err
    device.faults.stays_down = False
    device.pick_up()
    assert phone.reconnected()
    with remote_folder(phone) as folder:
        assert device.root.left() == [folder.removeprefix(f"{TMP}/")]
    assert device.root.left() == []


def test_a_phone_cleans_up_itself_once_its_host_is_gone(phone: PhoneShell, device: LoopbackDevice) -> None:
    with remote_folder(phone, guard_s=1) as folder:
        RemoteProcess(phone, folder).start(["sleep", "100"])
        assert eventually(lambda: device.root.left() == [])
        assert eventually(lambda: device.root.processes() == [])


def test_leftovers_of_a_killed_process_are_found_and_removed(phone: PhoneShell, device: LoopbackDevice) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    leave_behind(device, f"{socket.gethostname()} {dead.pid} 123.0")
    device.root.path(f"{TMP}/mobilevos-44444444").mkdir()  # killed before it said whose it was
    device.root.path(f"{TMP}/mobilevos-notes").mkdir()
    device.root.path(f"{TMP}/other").mkdir()
    assert remove_leftovers(phone) == [f"{TMP}/mobilevos-0123abcd", f"{TMP}/mobilevos-44444444"]
    assert device.root.left() == ["mobilevos-notes", "other"]


def test_another_process_at_work_is_left_alone(phone: PhoneShell, device: LoopbackDevice) -> None:
    parent = psutil.Process(os.getppid())
    leave_behind(device, f"{socket.gethostname()} {parent.pid} {parent.create_time():.2f}")
    with pytest.raises(DeviceError, match="busy with another run") as error, remote_folder(phone):
        pass
    assert error.value.failure is Failure.BUSY
    assert device.root.left() == ["mobilevos-0123abcd"]


def test_another_host_is_believed_for_a_while(phone: PhoneShell, device: LoopbackDevice) -> None:
    leave_behind(device, "another-host 1 1.0")
    with pytest.raises(DeviceError, match="busy"):
        remove_leftovers(phone)
    alive = device.root.path(f"{TMP}/mobilevos-0123abcd/alive")
    os.utime(alive, (0, alive.stat().st_mtime - 3600))
    assert remove_leftovers(phone) == [f"{TMP}/mobilevos-0123abcd"]


def test_nothing_else_is_ever_removed(phone: PhoneShell, adb: Adb) -> None:
    from benchmarks.device.remote_folder import _destroy

    for path in ("/data/local/tmp", "/data/local/tmp/mobilevos-", "/data/local/tmp/mobilevos-0123abcd/..", "/"):
        with pytest.raises(AssertionError):
            _destroy(phone, path)
