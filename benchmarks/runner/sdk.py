"""Where ExecuTorch's C++ headers and libraries come from: its wheels, or a build of its source for Android."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from mobilevos.errors import InputError
from mobilevos.files import atomic_folder

__all__ = ["LIBRARIES", "Sdk", "android_sdk", "arm64_sdk", "host_sdk"]

LIBRARIES = (
    "libexecutorch.so",
    "libexecutorch_threadpool.so",
    "libexecutorch_backend_xnnpack.so",
    "libexecutorch_kernels_optimized.so",
)
"""Shared libraries of a wheel that the runner needs."""

_PLATFORM = "manylinux_2_28_aarch64"
_CONFIG = "executorch-config.cmake"


@dataclass(frozen=True)
class Sdk:
    """ExecuTorch for C++.

    Attributes:
        cmake: Folder of `executorch-config.cmake`.
        libraries: Shared libraries that a program needs beside it; none where all is linked into it.
        version: Of ExecuTorch.
    """

    cmake: Path
    libraries: tuple[Path, ...]
    version: str


def host_sdk() -> Sdk:
    """Of the installed wheel.

    Raises:
        InputError: It is not installed, or brings no C++ libraries.
    """
    spec = find_spec("executorch")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("ExecuTorch is not installed", remedy="pip install 'mobilevos[executorch]'")
    return _of_wheel(Path(spec.submodule_search_locations[0]), _installed_version())


def arm64_sdk(cache: Path, wheel: Path | None = None) -> Sdk:
    """Of the aarch64 wheel of the installed version, unpacked.

    Args:
        cache: Folder in which the wheel is kept, and unpacked once.
        wheel: The file, where it cannot be downloaded; by default pip fetches it.

    Raises:
        InputError: ExecuTorch is not installed, the wheel cannot be had, or it is of another version or platform.
    """
    wanted = _installed_version()
    unpacked = cache / f"sdk-arm64-{wanted}"
    if wheel is not None or not unpacked.is_dir():
        _unpack(_checked(wheel, wanted) if wheel is not None else _download(cache / "wheels", wanted), unpacked)
    return _of_wheel(unpacked / "executorch", wanted)


def android_sdk(folder: Path | None) -> Sdk:
    """An ExecuTorch that was built from source for Android. It is linked as a whole, and no library lies beside.

    Raises:
        InputError: None was given, or the folder holds none.
    """
    remedy = "build ExecuTorch from source with its android-arm64-v8a preset, install it, and pass --sdk DIR"
    if folder is None:
        raise InputError("--arch android needs ExecuTorch for Android, which no wheel brings", remedy=remedy)
    found = sorted(folder.rglob(_CONFIG)) if folder.is_dir() else []
    if not found:
        raise InputError(f"{folder} holds no ExecuTorch", expected=_CONFIG, remedy=remedy)
    return Sdk(found[0].parent.resolve(), (), "")


def _installed_version() -> str:
    try:
        return version("executorch").partition("+")[0]
    except PackageNotFoundError as error:
        raise InputError("ExecuTorch is not installed", remedy="pip install 'mobilevos[executorch]'") from error


def _of_wheel(package: Path, found: str) -> Sdk:
    cmake, libraries = package / "share" / "cmake", tuple(package / "lib" / name for name in LIBRARIES)
    missing = [path for path in (cmake / _CONFIG, *libraries) if not path.is_file()]
    if missing:
        raise InputError(
            f"{package} brings no C++ libraries", expected=missing[0].name, remedy="use executorch 1.5.1 or newer"
        )
    return Sdk(cmake, libraries, found)


def _download(folder: Path, wanted: str) -> Path:
    for wheel in sorted(folder.glob(f"executorch-{wanted}-*{_PLATFORM}.whl")):
        return wheel
    options = ["--no-deps", "--platform", _PLATFORM, "--only-binary=:all:", "--dest", str(folder)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", *options, f"executorch=={wanted}"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob(f"executorch-{wanted}-*{_PLATFORM}.whl"))
    if finished.returncode or not wheels:
        errors = [line for line in finished.stderr.splitlines() if line.startswith("ERROR")]
        raise InputError(
            f"cannot download executorch {wanted} for {_PLATFORM}",
            found=errors[-1][:200] if errors else f"pip's exit code {finished.returncode}",
            remedy="fetch the wheel elsewhere and pass --sdk WHEEL",
        )
    return wheels[0]


def _checked(wheel: Path, wanted: str) -> Path:
    match = re.fullmatch(r"executorch-([^-]+)-[^-]+-[^-]+-([^-]+)\.whl", wheel.name)
    if match is None or match[1].partition("+")[0] != wanted or "aarch64" not in match[2]:
        expected = f"executorch-{wanted}-...-{_PLATFORM}.whl"
        raise InputError("--sdk is not the wheel that is needed", expected=expected, found=wheel.name)
    return wheel


def _unpack(wheel: Path, folder: Path) -> None:
    """Only what a C++ program needs: the rest of the wheel is Python."""
    try:
        with zipfile.ZipFile(wheel) as archive, atomic_folder(folder, overwrite=True) as temporary:
            parts = ("executorch/include/", "executorch/share/", "executorch/lib/")
            archive.extractall(temporary, [name for name in archive.namelist() if name.startswith(parts)])
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"cannot unpack {wheel}", found=str(error)[:200]) from error
