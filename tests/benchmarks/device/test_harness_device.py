"""A phone as a device of the harness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from adb_device import LoopbackDevice

from benchmarks.__main__ import main
from benchmarks.clip_folder import ClipFolder
from benchmarks.device.adb import Adb
from benchmarks.device.failure import DeviceError, Failure
from benchmarks.device.harness_device import AdbDevice
from benchmarks.device.phone import read_phone
from benchmarks.device.phone_shell import PhoneShell
from benchmarks.device.session import DeviceJob, DeviceRun, run_on_device
from benchmarks.jobs import Job, Workload
from benchmarks.protocol import Protocol
from benchmarks.results import read_results
from benchmarks.run_command import open_devices
from benchmarks.runner.payload import Payload

pytestmark = pytest.mark.adb

SHORT = Protocol("short", steps=12, seconds=0, warm_up=4)


def job_of(target: str, checkpoint: Path, bundle: Path | None) -> Job:
    return Job(target, "fp32", Workload((64, 96)), checkpoint, bundle, 1)


def test_the_harness_finds_it_by_its_serial(phone: PhoneShell) -> None:
    ((name, device),) = open_devices(f"adb:{phone.serial}").items()
    assert name == f"adb:{phone.serial}"
    description = device.describe()
    assert description["processor"] == "Loopback Inc. Loopback, LB-1"
    assert (description["system"], description["cores"]) == ("Android 14", 2)
    assert description["governors"] == ["schedutil"]
    ((name, only),) = open_devices("adb").items()
    assert (name, only.describe()) == ("adb", description)


def test_a_phone_that_is_not_there_is_one_line(phone: PhoneShell) -> None:
    with pytest.raises(DeviceError, match="phone nowhere: no device"):
        open_devices("adb:nowhere")


def test_several_are_named_by_their_serials_and_all_are_those_that_can_be_used(
    phone: PhoneShell, other: LoopbackDevice, adb: Adb, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(open_devices("adb:all")) == [f"adb:{phone.serial}"]
    both = [f"adb:{phone.serial}", f"adb:{other.serial}"]
    assert list(open_devices(f"adb:{phone.serial},{other.serial}")) == both
    assert sorted(open_devices("adb:all")) == sorted(both)
    adb.call(["disconnect", other.serial], timeout_s=20)
    other.faults.unauthorised = True
    adb.call(["connect", other.serial], timeout_s=20)
    assert capsys.readouterr().out == ""
    assert list(open_devices("adb:all")) == [f"adb:{phone.serial}"]
    assert capsys.readouterr().out.startswith(f"left out: phone {other.serial}: unauthorised; unlock the phone")


@pytest.mark.executorch
@pytest.mark.runner
@pytest.mark.slow
def test_several_phones_give_rows_of_each_and_one_that_fails_does_not_stop_the_others(
    phone: PhoneShell, device: LoopbackDevice, other: LoopbackDevice, random_checkpoint: Path, tmp_path: Path
) -> None:
    other.root.set_capacity(1_000_000)
    arguments = ["--device", f"adb:{phone.serial},{other.serial}", "--targets", "executorch", "--size", "64x96"]
    arguments += ["--frames", "8", "--steps", "12", "--seconds", "0", "--threads", "1", "--no-components"]
    assert main([*arguments, "--checkpoint", str(random_checkpoint), "--output", str(tmp_path)]) == 1
    first, second = read_results(tmp_path)
    assert (first.device, first.status) == (f"adb:{phone.serial}", "INVALID")
    assert (second.device, second.status) == (f"adb:{other.serial}", "failed")
    assert first.name == f"executorch fp32 on {phone.serial}"
    assert first.provenance["machine"]["phone"]["serial"] == phone.serial
    assert second.provenance["machine"]["phone"]["serial"] == other.serial
    assert "is full" in second.reasons[0]
    table = (tmp_path / "results.md").read_text()
    assert f"executorch fp32 on {phone.serial} (INVALID)" in table
    assert f"adb:{other.serial}: Loopback Inc. Loopback, LB-1" in table
    assert device.root.left() == other.root.left() == []


@pytest.mark.executorch
@pytest.mark.runner
@pytest.mark.slow
def test_jobs_are_measured_there_and_their_masks_held_against_the_hosts(
    phone: PhoneShell,
    device: LoopbackDevice,
    host_runner: Payload,
    raw_clip: ClipFolder,
    small_bundle: Path,
    random_checkpoint: Path,
    tmp_path: Path,
) -> None:
    measured_on = AdbDevice(phone, read_phone(phone), lambda architecture: host_runner)
    jobs = [
        job_of("eager", random_checkpoint, None),
        job_of("executorch", random_checkpoint, small_bundle),
        job_of("onnx", random_checkpoint, small_bundle),
    ]
    (eager, executorch, onnx), limit = measured_on.measure(jobs, raw_clip, SHORT, 1, tmp_path)
    assert limit is None
    assert executorch.failure == ""
    assert executorch.record is not None
    assert executorch.single is not None
    assert {"encode_query", "read_memory", "decode"} <= set(executorch.single.steps[1].components)
    assert not executorch.record.thermal["throttled"] or executorch.record.thermal["reasons"]
    assert eager.record is None
    assert eager.masks is not None
    assert executorch.masks is not None
    assert np.mean(eager.masks == executorch.masks) > 0.999
    assert "ExecuTorch bundles alone" in onnx.skipped
    assert device.root.left() == []


@pytest.mark.executorch
@pytest.mark.onnx
@pytest.mark.runner
@pytest.mark.slow
def test_the_command_line_gives_the_same_rows_as_on_a_host(
    phone: PhoneShell, device: LoopbackDevice, random_checkpoint: Path, tmp_path: Path
) -> None:
    arguments = ["--device", f"adb:{phone.serial}", "--targets", "eager,executorch,onnx", "--size", "64x96"]
    arguments += ["--frames", "8", "--steps", "12", "--seconds", "0", "--threads", "1"]
    assert main([*arguments, "--checkpoint", str(random_checkpoint), "--output", str(tmp_path)]) == 0
    eager, executorch, onnx = read_results(tmp_path)
    assert [one.status for one in (eager, executorch, onnx)] == ["skipped", "INVALID", "skipped"]
    assert executorch.reasons[0].endswith("and 128 are the least")
    assert executorch.device == f"adb:{phone.serial}"
    assert executorch.provenance["machine"]["phone"]["model"] == "Loopback"
    assert executorch.quality is not None
    assert executorch.quality.iou_mean is not None
    assert executorch.quality.iou_mean > 0.99
    assert executorch.timing is not None
    assert {"encode_query", "read_memory", "decode"} <= set(executorch.timing.single)
    assert (tmp_path / "report.html").is_file()
    assert device.root.left() == []


def losing(device: LoopbackDevice, place: int) -> Callable[..., DeviceRun]:
    """`run_on_device`, but the phone is lost for good in the run of that place, once steps of it were seen."""
    places = count()

    def run(phone: PhoneShell, job: DeviceJob, output: Path, **options: Any) -> DeviceRun:
        if next(places) != place:
            return run_on_device(phone, job, output, **options)

        def advance(stage: str, steps: int) -> None:
            if stage == "running" and steps:
                device.faults.stays_down, device.faults.cut_in = True, "tail -c"

        endless = replace(job, options=replace(job.options, seconds=600))
        return run_on_device(phone, endless, output, **options | {"advance": advance})

    return run


@pytest.mark.executorch
@pytest.mark.runner
@pytest.mark.slow
def test_of_a_phone_that_is_lost_the_steps_become_a_row_that_says_so(
    phone: PhoneShell,
    device: LoopbackDevice,
    random_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("benchmarks.device.phone_shell.RECONNECT_S", 1)
    monkeypatch.setattr("benchmarks.device.harness_device.run_on_device", losing(device, 0))
    arguments = ["--device", f"adb:{phone.serial}", "--targets", "executorch", "--size", "64x96", "--threads", "1"]
    arguments += ["--frames", "8", "--checkpoint", str(random_checkpoint), "--output", str(tmp_path)]
    assert main(arguments) == 1
    (row,) = read_results(tmp_path)
    assert row.status == "failed"
    assert "connection lost" in row.reasons[0]
    assert row.timing is not None
    assert row.timing.step.count == len(row.series.step_ms) > 0
    assert row.reasons[0].endswith(f"; partial: {row.timing.step.count} timed steps before it")
    assert (row.timing.load_ms, row.timing.single, row.quality) == (None, {}, None)
    assert "throttled" in row.provenance["thermal"]
    assert f"executorch fp32 on {phone.serial} (failed)" in (tmp_path / "results.md").read_text()


@pytest.mark.executorch
@pytest.mark.runner
@pytest.mark.slow
def test_a_phone_that_is_lost_with_the_components_alone_leaves_the_whole_steps(
    phone: PhoneShell,
    device: LoopbackDevice,
    host_runner: Payload,
    raw_clip: ClipFolder,
    small_bundle: Path,
    random_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("benchmarks.device.phone_shell.RECONNECT_S", 1)
    monkeypatch.setattr("benchmarks.device.harness_device.run_on_device", losing(device, 1))
    measured_on = AdbDevice(phone, read_phone(phone), lambda architecture: host_runner)
    jobs = [job_of("executorch", random_checkpoint, small_bundle)]
    ((executorch,), _) = measured_on.measure(jobs, raw_clip, SHORT, 1, tmp_path)
    assert executorch.failure.startswith("components alone: ")
    assert "connection lost" in executorch.failure
    assert executorch.record is not None
    assert len(executorch.record.timed) >= 12
    assert executorch.masks is not None
    assert executorch.single is None
    assert executorch.partial_single


@pytest.mark.executorch
@pytest.mark.runner
@pytest.mark.slow
def test_components_alone_that_fail_do_not_take_the_whole_steps_along(
    phone: PhoneShell,
    host_runner: Payload,
    raw_clip: ClipFolder,
    small_bundle: Path,
    random_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refusing(phone: PhoneShell, job: DeviceJob, output: Path, **options: Any) -> DeviceRun:
        if job.options.components:
            raise DeviceError(Failure.NO_SPACE, "phone is full")
        return run_on_device(phone, job, output, **options)

    monkeypatch.setattr("benchmarks.device.harness_device.run_on_device", refusing)
    measured_on = AdbDevice(phone, read_phone(phone), lambda architecture: host_runner)
    jobs = [job_of("executorch", random_checkpoint, small_bundle)]
    ((executorch,), _) = measured_on.measure(jobs, raw_clip, SHORT, 1, tmp_path)
    assert executorch.failure == "components alone: phone is full"
    assert executorch.record is not None
    assert executorch.masks is not None


@pytest.mark.executorch
@pytest.mark.runner
@pytest.mark.slow
def test_a_job_that_fails_does_not_end_the_others(
    phone: PhoneShell,
    device: LoopbackDevice,
    host_runner: Payload,
    raw_clip: ClipFolder,
    small_bundle: Path,
    random_checkpoint: Path,
    tmp_path: Path,
) -> None:
    device.root.set_capacity(1_000_000)
    measured_on = AdbDevice(phone, read_phone(phone), lambda architecture: host_runner)
    jobs = [job_of("executorch", random_checkpoint, small_bundle)]
    ((executorch,), _) = measured_on.measure(jobs, raw_clip, SHORT, 1, tmp_path)
    assert executorch.record is None
    assert "is full" in executorch.failure
