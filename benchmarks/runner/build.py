"""`python -m benchmarks.runner.build`: the C++ runner for this machine, for arm64 Linux or for Android.

What comes out is a folder that runs by itself (see `benchmarks.runner.payload`). The arm64 one brings its own loader
and libc: it runs on any arm64 Linux kernel, a phone's too, and under qemu-user. The Android one uses the phone's own
libc and needs an NDK and an ExecuTorch built for it; its build is written to their documentation, and was not executed
here.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.runner.payload import write_payload
from benchmarks.runner.sdk import Sdk, android_sdk, arm64_sdk, host_sdk
from mobilevos.commands.entry import run
from mobilevos.errors import InputError

__all__ = ["CACHE", "SOURCE", "Arch", "build_program", "build_runner", "main"]

SOURCE = Path(__file__).resolve().parent
"""Folder of `CMakeLists.txt`."""

CACHE = Path("build/runner")
"""Default folder of build trees, wheels and unpacked wheels."""

_CROSS_COMPILER = "aarch64-linux-gnu-g++"
_SYSTEM_LIBRARIES = (
    "ld-linux-aarch64.so.1",
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "libstdc++.so.6",
    "libgcc_s.so.1",
)

app = typer.Typer(add_completion=False)


class Arch(StrEnum):
    """What a runner is built for; each is a preset of `CMakePresets.json`."""

    HOST = "host"
    ARM64 = "arm64"
    ANDROID = "android"


def build_runner(
    arch: Arch | str, output: Path, *, sdk: Path | None = None, ndk: Path | None = None, cache: Path = CACHE
) -> Path:
    """Builds the runner and leaves it in a folder with all that it needs.

    Args:
        arch: `host`, `arm64` or `android`.
        output: The folder, replaced as a whole.
        sdk: For `arm64` the aarch64 wheel of ExecuTorch, if pip is not to fetch it; for `android` the folder of an
            ExecuTorch built for it.
        ndk: Android's, for `android`.
        cache: Folder of what is kept for the next build.

    Returns:
        `output`, which `benchmarks.runner.payload.payload` reads.

    Raises:
        InputError: A tool, a library or a wheel is missing, or the build failed.
    """
    arch = Arch(arch)
    chosen = _sdk(arch, sdk, cache)
    program = build_program(arch, SOURCE, chosen, cache / f"cmake-{arch}", "mobilevos-runner", ndk=ndk)
    system = _system_libraries() if arch is Arch.ARM64 else ()
    write_payload(output, arch, chosen.version, program, (*chosen.libraries, *system))
    return output


def build_program(arch: Arch, source: Path, sdk: Sdk, tree: Path, target: str, *, ndk: Path | None = None) -> Path:
    """Compiles one program of a CMake project that has the runner's presets.

    Args:
        arch: The preset.
        source: Folder of the project.
        sdk: ExecuTorch for `arch`.
        tree: Folder of the build, kept for the next one.
        target: The program.
        ndk: Android's, for `android`.

    Raises:
        InputError: A tool is missing, or the build failed.
    """
    environment = dict(os.environ)
    if arch is Arch.ANDROID:
        environment["ANDROID_NDK"] = str(_checked_ndk(ndk))
    elif _compiler(arch) is None:
        package = "g++-aarch64-linux-gnu" if arch is Arch.ARM64 else "g++"
        raise InputError(f"no C++ compiler for {arch}", remedy=f"apt-get install {package}")
    cmake = shutil.which("cmake", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if cmake is None:
        raise InputError("CMake is not installed", remedy="pip install 'mobilevos[bench]'")
    with _locked(tree):
        configure = ["--preset", arch, "-B", str(tree.resolve()), f"-Dexecutorch_DIR={sdk.cmake.resolve()}"]
        try:
            _run([cmake, *configure], source, environment)
        except InputError:  # perhaps of a tree that another checkout or compiler left
            _run([cmake, "--fresh", *configure], source, environment)
        _run([cmake, "--build", str(tree.resolve()), "--parallel", "2", "--target", target], source, environment)
    return tree / target


def _sdk(arch: Arch, given: Path | None, cache: Path) -> Sdk:
    if arch is Arch.ANDROID:
        return android_sdk(given)
    if arch is Arch.ARM64:
        return arm64_sdk(cache, given)
    if given is not None:
        raise InputError("--sdk is of no use", expected="--arch arm64 or android: the host's is the installed wheel")
    return host_sdk()


def _checked_ndk(ndk: Path | None) -> Path:
    if ndk is None:
        raise InputError("--arch android needs Android's NDK", remedy="pass --ndk DIR")
    toolchain = ndk / "build" / "cmake" / "android.toolchain.cmake"
    if not toolchain.is_file():
        raise InputError(f"{ndk} is not an NDK", expected=str(toolchain.relative_to(ndk)), remedy="pass --ndk DIR")
    return ndk.resolve()


def _compiler(arch: Arch) -> str | None:
    names = (_CROSS_COMPILER,) if arch is Arch.ARM64 else (os.environ.get("CXX", ""), "c++", "g++", "clang++")
    return next((found for name in names if name and (found := shutil.which(name))), None)


def _system_libraries() -> tuple[Path, ...]:
    """The loader and the C and C++ libraries of the cross compiler."""
    paths = []
    for name in _SYSTEM_LIBRARIES:
        asked = [_CROSS_COMPILER, f"-print-file-name={name}"]
        path = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
        if not path.is_absolute():
            raise InputError(f"{_CROSS_COMPILER} has no {name}", remedy="apt-get install libc6-arm64-cross")
        paths.append(path)
    return tuple(paths)


@contextmanager
def _locked(tree: Path) -> Iterator[None]:
    """Two builds of one tree would compile into each other."""
    tree.mkdir(parents=True, exist_ok=True)
    with (tree / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
    finished = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    if finished.returncode:
        raise InputError("the runner cannot be built", found=_reason(finished.stderr, finished.stdout))


def _reason(*logs: str) -> str:
    """The first error that CMake or a compiler tells, without the place in CMake's own files."""
    lines = [line.strip() for log in logs for line in log.splitlines()]
    for index, line in enumerate(lines):
        if line.startswith("CMake Error"):
            message = line.partition(": ")[2] if line.startswith("CMake Error: ") else ""
            return (message or next((one for one in lines[index + 1 :] if one), line))[:300]
        if " error: " in line or "undefined reference" in line:
            return line[:300]
    return (lines[-1] if lines else "no message")[:300]


@app.command()
def build(
    output: Annotated[Path, typer.Option(help="Folder of the runner; replaced.")],
    arch: Annotated[Arch, typer.Option(help="What it is to run on.")] = Arch.HOST,
    sdk: Annotated[
        Path | None,
        typer.Option(
            help="arm64: the aarch64 wheel of ExecuTorch, if pip is not to fetch it. android: "
            "the folder of an ExecuTorch built for it."
        ),
    ] = None,
    ndk: Annotated[Path | None, typer.Option(help="android: the folder of the NDK.")] = None,
    cache: Annotated[Path, typer.Option(help="Folder of what is kept for the next build.")] = CACHE,
) -> None:
    """Build the C++ runner on ExecuTorch's runtime: the loop that a phone runs, timed.

    `android` is written to the documentation of the NDK and of ExecuTorch, and was not executed by this project.
    """
    console = Console()
    with console.status(f"building for {arch}"):
        folder = build_runner(arch, output, sdk=sdk, ndk=ndk, cache=cache)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    console.print(f"{folder}: {size / 1e6:.1f} MB", soft_wrap=True, highlight=False)


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m benchmarks.runner.build`; gives the exit code."""
    return run(app, argv, program="benchmarks.runner.build")


if __name__ == "__main__":
    sys.exit(main())
