"""A program that runs apart from adb: looked at, outliving a cut, and judged by how it ended."""

from collections.abc import Iterator
from time import monotonic

import pytest
from adb_device import LoopbackDevice

from benchmarks.device.failure import DeviceError, Failure
from benchmarks.device.phone_shell import PhoneShell
from benchmarks.device.remote_folder import remote_folder
from benchmarks.device.remote_process import Looks, RemoteProcess

pytestmark = pytest.mark.adb


@pytest.fixture
def process(phone: PhoneShell) -> Iterator[RemoteProcess]:
    with remote_folder(phone) as folder:
        yield RemoteProcess(phone, folder, Looks(every_s=0.2, stalled_s=3))


def all_lines(process: RemoteProcess, command: str) -> list[str]:
    process.start(["sh", "-c", command])
    return [line for lines in process.lines() for line in lines]


def test_its_lines_come_whole_and_once(process: RemoteProcess) -> None:
    command = "for n in 1 2 3 4 5; do printf line; sleep 0.3; echo $n; done; printf rest"
    assert all_lines(process, command) == [f"line{n}" for n in range(1, 6)]
    assert all_lines(process, "echo another") == ["another"]


def test_it_outlives_a_connection_that_comes_back(process: RemoteProcess, device: LoopbackDevice) -> None:
    device.faults.cut_in = "tail -c"
    assert all_lines(process, "for n in 1 2 3 4 5 6; do sleep 0.3; echo $n; done") == list("123456")
    assert device.faults.cut_in == ""  # the cut did happen


def test_a_connection_that_stays_away_ends_the_looking(
    process: RemoteProcess, device: LoopbackDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.device.phone_shell.RECONNECT_S", 1)
    device.faults.cut_in, device.faults.stays_down = "tail -c", True
    with pytest.raises(DeviceError) as error:
        all_lines(process, "sleep 5")
    assert error.value.failure is Failure.CONNECTION_LOST
    device.faults.stays_down = False
    device.pick_up()


def test_a_failure_is_its_last_line_of_complaint(process: RemoteProcess) -> None:
    with pytest.raises(DeviceError, match=r"ended with code 2; found no such clip$") as error:
        all_lines(process, "echo some; echo 'mobilevos-runner: error: no such clip' >&2; exit 2")
    assert error.value.failure is Failure.EXIT_CODE
    assert process.output == ["some"]


def test_a_killed_program_is_told_from_one_that_failed(process: RemoteProcess) -> None:
    with pytest.raises(DeviceError, match="was killed; a phone short of memory"):
        all_lines(process, "sleep 0.5; kill -9 $$")


def test_a_phone_that_kills_everything_is_noticed(process: RemoteProcess, device: LoopbackDevice) -> None:
    process.start(["sh", "-c", "sleep 50"])
    looks = process.lines()
    for one in device.root.processes():
        one.kill()
    with pytest.raises(DeviceError, match="was killed"):
        next(looks)


def test_a_program_that_hangs_is_given_up(process: RemoteProcess, device: LoopbackDevice) -> None:
    start = monotonic()
    with pytest.raises(DeviceError, match="hangs; expected a step within 3 s") as error:
        all_lines(process, "echo begun; sleep 100")
    assert error.value.failure is Failure.TIMEOUT
    assert monotonic() - start < 50


def test_a_program_that_is_not_there_is_one_line(process: RemoteProcess) -> None:
    process.start(["/data/local/tmp/nothing"])
    with pytest.raises(DeviceError, match="code 127"):
        list(process.lines())
