"""A bundle run on the phone on the loopback, by the C++ runner and through the real adb client."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from adb_device import LoopbackDevice

from benchmarks.clip_folder import ClipFolder, write_clip
from benchmarks.device.adb import Adb
from benchmarks.device.failure import DeviceError, Failure
from benchmarks.device.phone_shell import PhoneShell, choose_phone
from benchmarks.device.session import DEVICE, DeviceJob, DeviceRun, run_on_device
from benchmarks.device.thermal import CoolDown
from benchmarks.run_record import read_masks, read_run
from benchmarks.runner.payload import Payload
from mobilevos.engines import open_engine
from mobilevos.errors import InputError
from mobilevos.files import sha256_of
from mobilevos.tracking import Tracker

pytestmark = [pytest.mark.adb, pytest.mark.executorch, pytest.mark.runner, pytest.mark.slow]

LONG = 600.0


def expected_masks(bundle: Path, clip: ClipFolder) -> np.ndarray:
    """What Python's loop and engine make of the same clip."""
    tracker = Tracker(open_engine("executorch", bundle=bundle, threads=1), memory_every=clip.memory_every)
    frame, masks = np.empty((clip.height, clip.width, 3), np.uint8), []
    for index in range(clip.frames):
        clip.read(index, frame)
        masks.append(tracker.step(frame, clip.given.get(index)).labels.astype(np.uint8))
    return np.stack(masks)


def when_running(act: Callable[[], None]) -> Callable[[str, int], None]:
    """An `advance` that acts once, when the first steps were seen."""
    done = []

    def advance(stage: str, steps: int) -> None:
        if stage == "running" and steps and not done:
            done.append(True)
            act()

    return advance


def assert_clean(device: LoopbackDevice) -> None:
    assert device.root.left() == []
    assert device.root.processes() == []


def test_the_masks_are_those_of_pythons_own_loop(
    phone: PhoneShell, device: LoopbackDevice, job: DeviceJob, small_bundle: Path, tmp_path: Path
) -> None:
    stages: list[str] = []
    run = run_on_device(phone, job, tmp_path / "out", advance=lambda stage, steps: stages.append(stage))
    assert_clean(device)
    assert not run.partial
    record = read_run(run.folder)
    assert record == run.record
    np.testing.assert_array_equal(read_masks(run.folder, record), expected_masks(small_bundle, job.clip))
    assert record.bundle_sha256 == sha256_of(small_bundle / "manifest.json")
    assert len(record.timed) >= 24 - 2  # the given frame of a pass does not count
    assert [step.warm_up for step in record.steps[:5]] == [True] * 4 + [False]
    assert "128 are the least" in run.invalid[0]
    assert json.loads((run.folder / DEVICE).read_text())["invalid"] == list(run.invalid)
    assert list(dict.fromkeys(stages)) == [
        "asking what it is",
        "pushing",
        "cooling down",
        "running",
        "pulling",
        "cleaning up",
    ]


def test_a_result_says_on_which_phone_and_how_warm_it_was(phone: PhoneShell, job: DeviceJob, tmp_path: Path) -> None:
    run = run_on_device(phone, job, tmp_path / "out")
    facts = json.loads((run.folder / DEVICE).read_bytes())
    assert facts["phone"]["model"] == "Loopback"
    assert facts["phone"]["cores"][1] == {"number": 1, "max_mhz": 2400, "governor": "schedutil"}
    assert facts["thermal"]["before"]["battery_celsius"] == 31.2
    assert facts["thermal"]["cool_down"]["reached"]
    assert not facts["partial"]
    assert read_run(run.folder).thermal == facts["thermal"]


def test_single_components_and_a_trace_come_back_too(phone: PhoneShell, job: DeviceJob, tmp_path: Path) -> None:
    options = replace(job.options, components=True, trace=True)
    run = run_on_device(phone, replace(job, options=options), tmp_path / "out")
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "device.json",
        "masks.u8",
        "run.json",
        "tensors.f32",
        "trace.json",
    ]
    assert set(run.steps[1].components) >= {"encode_query", "read_memory", "decode"}


def test_a_phone_that_gets_hot_meanwhile_is_flagged(
    phone: PhoneShell, device: LoopbackDevice, job: DeviceJob, tmp_path: Path
) -> None:
    job = replace(job, options=replace(job.options, seconds=0.5))
    run = run_on_device(phone, job, tmp_path / "out", advance=when_running(lambda: device.root.set_thermal(2)))
    assert run.throttled
    assert run.thermal["reasons"][0] == "thermal status moderate"
    assert run.record is not None
    assert run.record.thermal["throttled"]


def test_the_next_run_waits_for_a_hot_phone_but_not_forever(
    phone: PhoneShell, device: LoopbackDevice, job: DeviceJob, tmp_path: Path
) -> None:
    device.root.set_thermal(1)
    run = run_on_device(phone, replace(job, cool_down=CoolDown(limit_s=0.5, every_s=0.2)), tmp_path / "out")
    assert not run.thermal["cool_down"]["reached"]
    assert run.throttled


def test_a_run_outlives_a_connection_that_comes_back(
    phone: PhoneShell, device: LoopbackDevice, job: DeviceJob, small_bundle: Path, tmp_path: Path
) -> None:
    def cut() -> None:
        device.faults.cut_in = "tail -c"

    job = replace(job, options=replace(job.options, seconds=0.5))
    run = run_on_device(phone, job, tmp_path / "out", advance=when_running(cut))
    assert device.faults.cut_in == ""  # it did break
    assert not run.partial
    np.testing.assert_array_equal(read_masks(run.folder, read_run(run.folder)), expected_masks(small_bundle, job.clip))
    assert_clean(device)


def test_of_a_run_whose_phone_stays_away_the_steps_are_kept_and_marked(
    phone: PhoneShell,
    device: LoopbackDevice,
    job: DeviceJob,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def cut() -> None:
        device.faults.stays_down, device.faults.cut_in = True, "tail -c"

    monkeypatch.setattr("benchmarks.device.phone_shell.RECONNECT_S", 1)
    job = replace(job, options=replace(job.options, seconds=LONG))
    run = run_on_device(phone, job, tmp_path / "out", advance=when_running(cut))
    assert run.partial
    assert "connection lost" in run.error
    assert "the phone removes it later" in capsys.readouterr().err
    facts = json.loads((run.folder / DEVICE).read_bytes())
    assert facts["partial"]
    assert [step["frame"] for step in facts["steps"][:3]] == [0, 1, 2]
    assert sorted(path.name for path in run.folder.iterdir()) == [DEVICE]

    device.faults.stays_down = False
    device.pick_up()
    assert phone.reconnected()
    assert device.root.processes()  # the runner goes on in vain
    run_on_device(phone, replace(job, options=replace(job.options, seconds=0)), tmp_path / "out")
    assert_clean(device)


def refused(phone: PhoneShell, job: DeviceJob, output: Path, match: str) -> InputError:
    with pytest.raises(InputError, match=match) as error:
        run_on_device(phone, job, output)
    assert "\n" not in str(error.value)
    assert not output.exists()
    return error.value


def test_a_full_phone_is_refused_before_anything_is_pushed(
    phone: PhoneShell, device: LoopbackDevice, job: DeviceJob, tmp_path: Path
) -> None:
    device.root.set_capacity(20_000_000)
    error = refused(phone, job, tmp_path / "out", "is full; expected .* MB")
    assert isinstance(error, DeviceError)
    assert error.failure is Failure.NO_SPACE
    assert_clean(device)


def test_a_phone_that_fills_up_meanwhile_is_cleaned(
    phone: PhoneShell, device: LoopbackDevice, job: DeviceJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.device.prepared.check_phone", lambda *arguments: None)
    device.root.set_capacity(5_000_000)
    refused(phone, job, tmp_path / "out", "no space")
    assert_clean(device)


def test_what_the_runner_refuses_is_one_line(
    phone: PhoneShell, device: LoopbackDevice, job: DeviceJob, tmp_path: Path
) -> None:
    frames = [np.zeros((32, 48, 3), np.uint8)] * 3
    clip = write_clip(tmp_path / "clip", frames, {0: np.ones((32, 48), np.uint8)})
    refused(phone, replace(job, clip=clip), tmp_path / "out", r"ended with code 2; found .*32x48")
    assert_clean(device)


def test_a_runner_that_the_phone_kills_is_one_line(
    phone: PhoneShell, device: LoopbackDevice, job: DeviceJob, tmp_path: Path
) -> None:
    def kill() -> None:
        for process in device.root.processes():
            if "--clip" in process.cmdline() and "run.sh" not in " ".join(process.cmdline()):
                process.kill()

    job = replace(job, options=replace(job.options, seconds=LONG))
    with pytest.raises(DeviceError, match="was killed"):
        run_on_device(phone, job, tmp_path / "out", advance=when_running(kill))
    assert_clean(device)


def test_what_was_made_for_another_runtime_or_processor_is_refused(
    phone: PhoneShell, device: LoopbackDevice, job: DeviceJob, tmp_path: Path
) -> None:
    other = replace(job.bundle, manifest=job.bundle.manifest | {"target": "onnx"})
    refused(phone, replace(job, bundle=other), tmp_path / "out", "expected executorch; found onnx")

    def for_phones(architecture: str) -> Payload:
        return replace(job.runner(architecture), arch="arm64")

    refused(phone, replace(job, runner=for_phones), tmp_path / "out", "expected host; found arm64")
    assert_clean(device)


def test_a_record_that_is_none_is_refused(
    phone: PhoneShell, device: LoopbackDevice, job: DeviceJob, tmp_path: Path
) -> None:
    """A runner of another version, or a phone that lies."""
    folder = tmp_path / "runner"
    folder.mkdir()
    script = 'while [ "$1" != --output ]; do shift; done; mkdir -p $2; echo "{\\"format\\": 1}" >$2/run.json'
    (folder / "liar").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "liar").chmod(0o755)
    liar = Payload(folder, "host", "", {}, ("{folder}/liar",))
    refused(phone, replace(job, runner=lambda architecture: liar), tmp_path / "out", "is not a run record; found")
    assert_clean(device)


def test_a_run_that_was_stopped_leaves_nothing(
    phone: PhoneShell, device: LoopbackDevice, job: DeviceJob, tmp_path: Path
) -> None:
    job = replace(job, options=replace(job.options, seconds=LONG))
    try:
        with pytest.raises(KeyboardInterrupt):
            run_on_device(phone, job, tmp_path / "out", advance=when_running(phone.adb.stop.set))
    finally:
        phone.adb.stop.clear()
    assert_clean(device)
    assert not (tmp_path / "out").exists()


def test_a_run_replaces_the_one_before(phone: PhoneShell, job: DeviceJob, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    run: DeviceRun = run_on_device(phone, job, tmp_path / "out")
    assert not (run.folder / "old").exists()


@pytest.mark.arm64
def test_a_phone_of_another_processor_gets_its_own_runner_and_makes_the_same_masks(
    adb: Adb, job: DeviceJob, arm64_runner: Payload, small_bundle: Path, tmp_path: Path
) -> None:
    """Under qemu-user, whose masks count and whose times mean nothing."""
    asked: list[str] = []

    def runner(architecture: str) -> Payload:
        asked.append(architecture)
        return arm64_runner

    job = replace(job, runner=runner, options=replace(job.options, steps=1, warm_up=0))
    with LoopbackDevice(tmp_path / "arm64", "arm64-v8a") as device:
        run = run_on_device(choose_phone(adb, device.serial), job, tmp_path / "out")
        assert_clean(device)
        adb.call(["disconnect", device.serial], timeout_s=20)
    assert set(asked) == {"arm64"}
    assert run.phone.abi == "arm64-v8a"
    masks, expected = read_masks(run.folder, read_run(run.folder)), expected_masks(small_bundle, job.clip)
    assert np.mean(masks == expected) > 0.999
