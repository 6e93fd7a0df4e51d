"""torchvision imports beside a torch that its compiled operators were not built for.

Each test runs an interpreter of its own, because an import happens once in a process.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # each test imports torch in a process of its own

# A torchvision of one file. Like the real one, it loads its extension if it can, then names the operator.
STAND_IN = """
import torch
from importlib.machinery import PathFinder

try:
    torch.ops.load_library(PathFinder.find_spec("_C", __path__).origin)
except (AttributeError, OSError):
    pass
schema = torch.ops.torchvision.nms.default._schema
"""


def run(code: str, folder: Path | None = None) -> str:
    """What `code` prints in a fresh interpreter; `folder` comes first on its module path."""
    prelude = f"import sys; sys.path.insert(0, {str(folder)!r})\n" if folder else ""
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", prelude + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """A folder with the stand-in package `torchvision`, which has no extension yet."""
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(STAND_IN)
    return tmp_path


def extension_path(folder: Path) -> Path:
    return folder / "torchvision" / f"_C{EXTENSION_SUFFIXES[-1]}"


@pytest.mark.slow
def test_the_installed_torchvision_imports_and_its_models_run() -> None:
    code = """
        from mobilevos.torchvision_guard import torchvision
        import torch
        from torchvision.transforms import v2
        image = v2.Resize((32, 32))(torch.zeros(1, 3, 64, 64))
        print(*torchvision.models.mobilenet_v2(weights=None).eval()(image).shape)
    """
    assert run(code) == "1 1000"


@pytest.mark.slow
def test_it_recovers_from_an_import_that_failed_before() -> None:
    code = """
        try:
            import torchvision
        except RuntimeError:
            pass
        from mobilevos.torchvision_guard import import_torchvision
        print(import_torchvision().models.resnet18.__name__)
    """
    assert run(code) == "resnet18"


@pytest.mark.parametrize("extension", ["absent", "unloadable"])
def test_operators_that_are_missing_are_declared(stand_in: Path, extension: str) -> None:
    if extension == "unloadable":
        extension_path(stand_in).write_bytes(b"built for another torch")
    code = """
        from mobilevos.torchvision_guard import torchvision
        print(torchvision.schema)
    """
    declared = "torchvision::nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    assert run(code, stand_in) == declared


def test_operators_that_another_library_declared_are_left_alone(stand_in: Path) -> None:
    code = """
        import torch
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor theirs) -> Tensor")
        from mobilevos.torchvision_guard import torchvision
        print(torchvision.schema, hasattr(torch.ops.torchvision, "qnms"))
    """
    assert run(code, stand_in) == "torchvision::nms(Tensor theirs) -> Tensor True"


def test_a_pair_whose_operators_load_is_left_alone(stand_in: Path) -> None:
    # Any library that loads will do in place of one that was built for this torch; the operator that its
    # loading would register is registered here at the moment that it loads.
    code = f"""
        import ctypes, torch
        real, library = ctypes.CDLL, torch.library.Library("torchvision", "DEF")

        def load(path, *args):
            if path == {str(extension_path(stand_in))!r} and not hasattr(torch.ops.torchvision, "nms"):
                library.define("nms(Tensor compiled) -> Tensor")
            return real(None) if str(path).endswith({extension_path(stand_in).name!r}) else real(path, *args)

        ctypes.CDLL = load
        from mobilevos.torchvision_guard import torchvision
        print(torchvision.schema, hasattr(torch.ops.torchvision, "qnms"))
    """
    extension_path(stand_in).touch()
    assert run(code, stand_in) == "torchvision::nms(Tensor compiled) -> Tensor False"


def test_a_torchvision_that_is_imported_already_is_given_as_it_is() -> None:
    code = """
        import sys, types
        sys.modules["torchvision"] = there = types.ModuleType("torchvision")
        import torch
        from mobilevos.torchvision_guard import import_torchvision
        print(import_torchvision() is there, hasattr(torch.ops.torchvision, "nms"))
    """
    assert run(code) == "True False"
