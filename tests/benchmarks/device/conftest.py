"""A phone on the loopback, and the real adb client with a server of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from adb_device import LoopbackDevice

from benchmarks.clip_folder import ClipFolder, write_clip
from benchmarks.device.adb import Adb
from benchmarks.device.phone_shell import PhoneShell, choose_phone
from benchmarks.device.remote_process import Looks
from benchmarks.device.session import DeviceJob, RunOptions
from benchmarks.runner.build import build_runner
from benchmarks.runner.payload import Payload, payload
from mobilevos.bundle import Bundle
from mobilevos.data.synthetic import SyntheticClip

BUILDS = Path(__file__).resolve().parents[3] / "build" / "runner"
"""Build trees outlive a test run: the next one compiles what has changed."""


@pytest.fixture(scope="session")
def adb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adb]:
    """The client, with a server that is not the user's and ends with the tests."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = str(tmp_path_factory.mktemp("adb"))  # of its keys and its log
    # The server looks for emulators at the ports up to this one: there is none.
    own = {"HOME": home, "TMPDIR": home, "ADB_LOCAL_TRANSPORT_MAX_PORT": "5554"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
        client = Adb.find()
        subprocess.run([client.program, "start-server"], env=os.environ | own, check=True, timeout=60)
        yield client
        subprocess.run([client.program, "kill-server"], check=True, timeout=60)


@pytest.fixture
def device(adb: Adb, tmp_path: Path) -> Iterator[LoopbackDevice]:
    """A phone that is plugged in, but that no client has connected to."""
    with LoopbackDevice(tmp_path / "phone") as one:
        yield one
        adb.call(["disconnect", one.serial], timeout_s=20)


@pytest.fixture
def other(adb: Adb, tmp_path: Path) -> Iterator[LoopbackDevice]:
    """A second phone, plugged in too."""
    with LoopbackDevice(tmp_path / "other") as one:
        yield one
        adb.call(["disconnect", one.serial], timeout_s=20)


@pytest.fixture
def phone(adb: Adb, device: LoopbackDevice) -> PhoneShell:
    """The same phone, connected."""
    return choose_phone(adb, device.serial)


@pytest.fixture(scope="session")
def host_runner(tmp_path_factory: pytest.TempPathFactory) -> Payload:
    """The C++ runner for a phone of this machine's processor."""
    return payload(build_runner("host", tmp_path_factory.mktemp("runner") / "host", cache=BUILDS))


@pytest.fixture(scope="session")
def arm64_runner(tmp_path_factory: pytest.TempPathFactory) -> Payload:
    """The C++ runner for phones, behind the emulator that lets this machine run it."""
    built = payload(build_runner("arm64", tmp_path_factory.mktemp("runner") / "arm64", cache=BUILDS))
    emulator = shutil.which("qemu-aarch64-static")
    assert emulator
    return replace(built, template=(emulator, "-cpu", "cortex-a76", *built.template))


@pytest.fixture(scope="session")
def raw_clip(tmp_path_factory: pytest.TempPathFactory) -> ClipFolder:
    """Twelve frames of `small_bundle`'s size, with one object."""
    clip = SyntheticClip(seed=3, length=12, size=(64, 96), objects=1)
    return write_clip(tmp_path_factory.mktemp("clip") / "clip", clip, {0: clip.mask(0)}, memory_every=3)


@pytest.fixture
def job(host_runner: Payload, raw_clip: ClipFolder, small_bundle: Path) -> DeviceJob:
    """A short run of `small_bundle`."""
    return DeviceJob(
        Bundle.open(small_bundle),
        raw_clip,
        lambda architecture: host_runner,
        RunOptions(threads=1, steps=24, seconds=0, warm_up=4),
        Looks(every_s=0.2),
    )
