"""What tests may ask of the machine, and what happens where it is missing.

A test marked `data`, or by the name of a toolchain, is skipped with the reason on a machine that lacks it. With
`MOBILEVOS_STRICT` such a skip is a failure: `all` for every need, `toolchains` for all but the data sets.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from mobilevos.contract import Dimensions
    from mobilevos.model.network import MemoryNetwork
    from mobilevos.quantization.program import QuantizedNetwork
    from mobilevos.quantization.ranges import Range

_REPOSITORY = Path(__file__).resolve().parents[1]

# Marker of a toolchain -> the module that is there when it is installed.
_TOOLCHAINS = {"coreml": "coremltools", "executorch": "executorch", "onnx": "onnxscript", "tflite": "litert_torch"}

# Marker -> programs and C++ headers that it needs, each with the Debian package that brings it.
_PACKAGES = {
    "adb": {"adb": "adb", "mksh": "mksh", "toybox": "toybox"},
    "runner": {"g++": "g++", "make": "make", "nlohmann/json.hpp": "nlohmann-json3-dev"},
    "arm64": {"aarch64-linux-gnu-g++": "g++-aarch64-linux-gnu", "qemu-aarch64-static": "qemu-user-static"},
}

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # processes that share the cores, and would wait for each other

# No deadline: a first call of torch or OpenCV outlasts it, which says nothing about the code.
hypothesis.settings.register_profile("mobilevos", deadline=None)
hypothesis.settings.load_profile("mobilevos")


@pytest.fixture(scope="session", autouse=True)
def _state_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What exports remember with the user goes elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of the data sets, for tests marked `data`."""
    return _data_root()


@pytest.fixture(scope="session")
def random_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MobileNetV2 student that never learnt anything: its masks are poor, lively, and always the same."""
    from mobilevos.model.checkpoint import save_network
    from mobilevos.model.variants import build_network

    network = build_network("mobilenet_v2", seed=0)
    _settle_batch_norm(network)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_network(network, path, provenance={"made": "for tests"})
    return path


@pytest.fixture(scope="session")
def bundle_of(random_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Exports `random_checkpoint` to a target, once, in fp32 for 64x96 frames. To be read only: tests copy it."""
    from export.pipeline import export_bundle
    from export.targets import TARGETS
    from mobilevos.files import sha256_of
    from mobilevos.model.checkpoint import load_network

    @cache
    def bundle(target: str) -> Path:
        network = load_network(random_checkpoint)
        dimensions = network.dimensions(64, 96, 2, 1)
        output, sha256 = tmp_path_factory.mktemp("bundles") / target, sha256_of(random_checkpoint)
        export_bundle(TARGETS[target], network, dimensions, output, checkpoint_sha256=sha256)
        return output

    return bundle


@pytest.fixture(scope="session")
def small_bundle(bundle_of: Callable[[str], Path]) -> Path:
    """`random_checkpoint`, exported to ExecuTorch."""
    return bundle_of("executorch")


@pytest.fixture(scope="session")
def stateful_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped student for Core ML with a state, in fp16 for 128x192 frames. To be read only."""
    from export.coreml import DeploymentTarget, Options
    from export.pipeline import export_bundle
    from export.targets import TARGETS
    from mobilevos.model.checkpoint import load_network
    from mobilevos.weights import default_checkpoint

    network = load_network(default_checkpoint())
    output = tmp_path_factory.mktemp("bundles") / "stateful"
    options = Options(DeploymentTarget.IOS18, state=True)
    dimensions = network.dimensions(128, 192, 2, 2)
    export_bundle(TARGETS["coreml"], network, dimensions, output, precision="fp16", options=options)
    return output


@pytest.fixture(scope="session")
def student(random_checkpoint: Path) -> MemoryNetwork:
    """The network of `random_checkpoint`."""
    from mobilevos.model.checkpoint import load_network

    return load_network(random_checkpoint)


@pytest.fixture(scope="session")
def small_dimensions(student: MemoryNetwork) -> Dimensions:
    """Of the student's int8 programs in tests."""
    return student.dimensions(32, 48, 2, 1)


@pytest.fixture(scope="session")
def student_ranges(student: MemoryNetwork, small_dimensions: Dimensions) -> dict[str, Range]:
    """Of the student's activations, from a synthetic clip."""
    from mobilevos.data.synthetic import SyntheticClip
    from mobilevos.quantization.calibration import calibrate
    from mobilevos.quantization.calibration_set import CalibrationClip, CalibrationSet
    from mobilevos.quantization.specification import Observer, Specification

    clip = SyntheticClip(seed=0, length=5, size=(32, 48), objects=2)
    chosen = CalibrationClip(list(clip), tuple(range(5)), clip.mask(0))
    calibration = CalibrationSet("a clip", (chosen,))
    return calibrate(student, small_dimensions, Specification(Observer.MINMAX), calibration)


@pytest.fixture(scope="session")
def quantized_student(
    student: MemoryNetwork, small_dimensions: Dimensions, student_ranges: dict[str, Range]
) -> QuantizedNetwork:
    """The student in int8, all its components."""
    from mobilevos.quantization.program import quantize
    from mobilevos.quantization.specification import Observer, Specification

    return quantize(student, small_dimensions, Specification(Observer.MINMAX), student_ranges)


def _settle_batch_norm(network: MemoryNetwork) -> None:
    """Gives a random network the statistics of a clip: without them its logits are the same everywhere."""
    import torch

    from mobilevos.data.synthetic import SyntheticClip

    clip = SyntheticClip(seed=0, length=8, size=(64, 96))
    images = torch.stack([torch.from_numpy(frame).permute(2, 0, 1) / 255 for frame in clip])
    masks = torch.stack([torch.from_numpy(clip.mask(t) == 1).float()[None] for t in range(len(clip))])
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the plain mean of what it sees
            module.reset_running_stats()
    network.train()
    with torch.no_grad():
        query = network.encode_query(images)
        values = network.encode_memory(query, masks, torch.zeros_like(masks))
        network.decode(network.read_memory(query.key, query.key[:, :, None], values[:, None, :, None]), query)
    network.eval()


def pytest_configure() -> None:
    if _strictness() not in ("", "all", "toolchains"):
        raise pytest.UsageError(f"MOBILEVOS_STRICT is {_strictness()!r}: expected 'all' or 'toolchains'")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, module in _TOOLCHAINS.items():
        if item.get_closest_marker(marker) and find_spec(module) is None:
            _skip(
                f"{marker} is not installed: pip install 'mobilevos[{marker}]'",
                strict_in=("all", "toolchains"),
            )
    for marker, needs in _PACKAGES.items():
        if item.get_closest_marker(marker) and (missing := _missing(needs)):
            _skip(f"{marker} needs: apt-get install {' '.join(missing)}", strict_in=("all", "toolchains"))
    if item.get_closest_marker("data") and not _data_root().is_dir():
        _skip(f"no data sets at {_data_root()}: set MOBILEVOS_DATA to their folder", strict_in=("all",))


def _missing(needs: dict[str, str]) -> list[str]:
    """The packages of what is not there."""
    return [package for name, package in needs.items() if not (which(name) or Path("/usr/include", name).is_file())]


def _skip(reason: str, *, strict_in: tuple[str, ...]) -> None:
    if _strictness() in strict_in:
        pytest.fail(f"{reason} (MOBILEVOS_STRICT={_strictness()})", pytrace=False)
    pytest.skip(reason)


def _strictness() -> str:
    return os.environ.get("MOBILEVOS_STRICT", "")


def _data_root() -> Path:
    return Path(os.environ.get("MOBILEVOS_DATA") or _REPOSITORY.parent / "shared" / "data").resolve()
