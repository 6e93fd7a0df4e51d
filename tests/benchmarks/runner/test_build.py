"""A build is a folder that runs wherever it is copied to; what is missing for it is one line."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from benchmarks.runner.build import SOURCE, Arch, build_program, build_runner, main
from benchmarks.runner.payload import LAUNCHER, PAYLOAD, Payload, payload
from benchmarks.runner.sdk import LIBRARIES, Sdk, arm64_sdk, host_sdk
from mobilevos.errors import InputError

pytestmark = pytest.mark.executorch


@pytest.mark.runner
def test_a_copy_runs_from_its_own_libraries(host: Payload, tmp_path: Path) -> None:
    copy = payload(Path(shutil.copytree(host.folder, tmp_path / "a copy")))
    loaded = subprocess.run(["ldd", copy.command[-1]], capture_output=True, text=True, check=True).stdout
    for name in LIBRARIES:
        assert f"{name} => {copy.folder}/lib/" in loaded
    finished = subprocess.run([copy.folder / LAUNCHER, "--help"], capture_output=True, text=True, check=True)
    assert finished.stdout.startswith("mobilevos-runner --bundle DIR")


@pytest.mark.runner
def test_it_says_what_it_is_and_where_to_start_it_on_a_device(host: Payload) -> None:
    assert (host.arch, host.executorch) == ("host", host_sdk().version)
    assert host.command_in("/data/local/tmp/run") == ["/data/local/tmp/run/lib/mobilevos-runner"]
    assert set(host.files) == {LAUNCHER, "lib/mobilevos-runner", *(f"lib/{name}" for name in LIBRARIES)}


@pytest.mark.runner
@pytest.mark.arm64
def test_for_arm64_it_brings_its_loader_and_libc(arm64: Payload) -> None:
    assert arm64.command_in("/run") == [
        "/run/lib/ld-linux-aarch64.so.1",
        "--library-path",
        "/run/lib",
        "/run/lib/mobilevos-runner",
    ]
    assert {"lib/libc.so.6", "lib/libstdc++.so.6", "lib/ld-linux-aarch64.so.1"} < set(arm64.files)
    for name in arm64.files:
        head = (arm64.folder / name).read_bytes()[:20]
        assert head.startswith(b"#!") or (head[:4] == b"\x7fELF" and head[18] == 183), name  # EM_AARCH64


@pytest.mark.runner
def test_a_damaged_file_is_refused(host: Payload, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(host.folder, tmp_path / "copy"))
    with (folder / "lib" / LIBRARIES[0]).open("r+b") as file:
        file.write(b"\0")
    with pytest.raises(InputError, match=r"libexecutorch\.so is missing or damaged"):
        payload(folder)


@pytest.mark.parametrize("content", [None, "", "[]", '{"format": 2}', '{"format": 1}'])
def test_a_folder_that_holds_no_runner(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / PAYLOAD).write_text(content)
    with pytest.raises(InputError, match="holds no runner"):
        payload(tmp_path)


def test_a_payload_that_names_a_file_outside(tmp_path: Path) -> None:
    facts = {"format": 1, "arch": "host", "executorch": "", "command": [], "files": {"../x": ""}}
    (tmp_path / PAYLOAD).write_text(json.dumps(facts))
    with pytest.raises(InputError, match="leaves its folder"):
        payload(tmp_path)


# What is missing


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., str]:
    def run(*arguments: object) -> str:
        output = tmp_path / "runner"
        code = main(["--output", str(output), "--cache", str(tmp_path / "cache"), *map(str, arguments)])
        error = capsys.readouterr().err
        assert (code, error.count("\n")) == (2, 1)
        assert not output.exists()
        return error

    return run


def test_android_names_what_it_needs(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "needs ExecuTorch for Android, which no wheel brings" in refused("--arch", "android")
    assert "holds no ExecuTorch" in refused("--arch", "android", "--sdk", tmp_path)
    (tmp_path / "sdk").mkdir()
    (tmp_path / "sdk" / "executorch-config.cmake").touch()
    sdk = ("--arch", "android", "--sdk", tmp_path / "sdk")
    assert "needs Android's NDK; pass --ndk DIR" in refused(*sdk)
    assert "is not an NDK; expected build/cmake/android.toolchain.cmake" in refused(*sdk, "--ndk", tmp_path)


@pytest.mark.parametrize("name", ["executorch-1.4.1-cp311-cp311-manylinux_2_28_aarch64.whl", "x.zip"])
def test_a_wheel_of_another_version_or_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InputError, match="--sdk is not the wheel that is needed; expected executorch-1"):
        arm64_sdk(tmp_path, tmp_path / name)


def test_a_wheel_that_is_damaged_or_lacks_the_libraries(tmp_path: Path) -> None:
    wheel = tmp_path / f"executorch-{host_sdk().version}-cp311-cp311-manylinux_2_28_aarch64.whl"
    wheel.write_bytes(b"no archive")
    with pytest.raises(InputError, match="cannot unpack"):
        arm64_sdk(tmp_path / "cache", wheel)
    with ZipFile(wheel, "w") as archive:
        archive.writestr("executorch/include/x.h", "")
    with pytest.raises(InputError, match=r"brings no C\+\+ libraries"):
        arm64_sdk(tmp_path / "cache", wheel)


def test_the_hosts_libraries_are_those_of_the_installed_wheel(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "--sdk is of no use" in refused("--sdk", tmp_path)


def test_no_compiler(monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str], tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert "no C++ compiler for host; apt-get install g++" in refused()


@pytest.mark.runner
def test_a_source_that_does_not_compile_is_told_by_its_first_error(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(SOURCE / "CMakePresets.json", source)
    (source / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.28)\nproject(x LANGUAGES CXX)\nadd_executable(x x.cpp)\n"
    )
    (source / "x.cpp").write_text("int main() { return nothing; }\n")
    with pytest.raises(InputError, match=r"cannot be built; found .*x\.cpp:1:.* error: .*nothing"):
        build_program(Arch.HOST, source, host_sdk(), tmp_path / "tree", "x")


@pytest.mark.runner
def test_a_library_that_cmake_does_not_find_is_told_in_its_words(tmp_path: Path) -> None:
    sdk = Sdk(tmp_path, (), "")
    with pytest.raises(InputError, match="the runner cannot be built; found"):
        build_program(Arch.HOST, SOURCE, sdk, tmp_path / "tree", "mobilevos-runner")


def test_an_architecture_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mips"):
        build_runner("mips", tmp_path)
