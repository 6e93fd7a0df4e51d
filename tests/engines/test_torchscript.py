"""The TorchScript engine refuses archives that are not what they seem."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mobilevos.bundle import MANIFEST, Bundle
from mobilevos.contract import signature
from mobilevos.engines.torchscript import TorchscriptEngine
from mobilevos.errors import InputError

ARCHIVE = "decode.pt"


@pytest.fixture
def copy(bundle_of: Callable[[str], Path], tmp_path: Path) -> Path:
    """A bundle that may be damaged."""
    return Path(shutil.copytree(bundle_of("torchscript"), tmp_path / "bundle"))


def seal(folder: Path, content: bytes) -> None:
    """Exchanges the decoder and makes the manifest agree."""
    (folder / ARCHIVE).write_bytes(content)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][ARCHIVE] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (folder / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda archive: b"", id="empty"),
        pytest.param(lambda archive: archive[: len(archive) // 2], id="half"),
        pytest.param(lambda archive: bytes(range(256)) * 40, id="noise"),
        pytest.param(lambda archive: archive.replace(b"class", b"glass"), id="no program"),
    ],
)
def test_a_broken_archive_with_the_right_checksum(copy: Path, damage: Callable[[bytes], bytes]) -> None:
    seal(copy, damage((copy / ARCHIVE).read_bytes()))
    with pytest.raises(InputError, match=r"decode\.pt is not a readable program; found .*export the bundle again") as e:
        TorchscriptEngine(Bundle.open(copy))
    assert "\n" not in str(e.value)


def test_an_archive_whose_checksum_differs_is_never_opened(copy: Path) -> None:
    (copy / ARCHIVE).write_bytes(b"exchanged")
    with pytest.raises(InputError, match=r"decode\.pt is damaged or was exchanged"):
        Bundle.open(copy)


def test_the_archive_of_another_component(copy: Path) -> None:
    seal(copy, (copy / "read_memory.pt").read_bytes())
    with pytest.raises(InputError, match=r"decode\.pt does not follow .* of decode; expected 4 inputs; found 3"):
        TorchscriptEngine(Bundle.open(copy))


def test_a_pickled_model_is_refused(copy: Path) -> None:
    torch.save({"weights": torch.zeros(2)}, copy / ARCHIVE)
    seal(copy, (copy / ARCHIVE).read_bytes())
    with pytest.raises(InputError, match=r"decode\.pt is not a readable program"):
        TorchscriptEngine(Bundle.open(copy))


def test_a_program_of_another_size_than_its_manifest_yields_no_mask(copy: Path) -> None:
    bundle = Bundle.open(copy)
    other = replace(bundle, dimensions=replace(bundle.dimensions, key_channels=32))
    inputs = [np.zeros(spec.shape, np.float32) for spec in signature("segment", other.dimensions).inputs]
    with pytest.raises(InputError, match=r"(cannot run segment|program of segment does not follow)"):
        TorchscriptEngine(other).segment(*inputs)
