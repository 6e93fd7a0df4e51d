"""`--no-verify` and `--isolated`: a damaged bundle is refused, or used with a warning and in a process of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


@pytest.fixture
def bundle(bundle_of: Callable[[str], Path], tmp_path: Path) -> Path:
    """A bundle with one flipped bit in its weights."""
    folder = Path(shutil.copytree(bundle_of("torchscript"), tmp_path / "bundle"))
    content = bytearray((folder / "segment.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "segment.pt").write_bytes(content)
    return folder


def test_a_damaged_bundle_is_refused(refused: Callable[..., str], clip: Any, bundle: Path, tmp_path: Path) -> None:
    engine = ("--engine", "torchscript", "--bundle", bundle)
    line = refused("segment", clip.folder, "--mask", clip.mask, "--masks", tmp_path / "masks", *engine)
    assert "segment.pt is damaged or was exchanged" in line
    assert not (tmp_path / "masks").exists()


def test_unless_the_user_says_so_and_is_warned(mobilevos: Command, clip: Any, bundle: Path, tmp_path: Path) -> None:
    engine = ("--engine", "torchscript", "--bundle", bundle, "--no-verify", "--threads", 1)
    outputs = ("--masks", tmp_path / "masks", "--json", tmp_path / "report.json")
    outcome = mobilevos("segment", clip.folder, "--mask", clip.mask, *outputs, *map(str, engine))
    assert outcome.code == 0, outcome
    assert outcome.err == f"mobilevos: warning: {bundle} is not verified: its masks may be wrong without an error\n"
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["isolated"]
    assert not report["weights"]["verified"]


def test_an_evaluation_warns_once_for_all_its_processes(mobilevos: Command, davis: Path, bundle: Path) -> None:
    engine = ("--engine", "torchscript", "--bundle", bundle, "--no-verify", "--no-isolated", "--workers", 2)
    outcome = mobilevos("evaluate", "davis", davis, *map(str, engine))
    assert outcome.code == 0, outcome
    assert outcome.err.count("is not verified") == 1


@pytest.mark.parametrize("option", ["--no-verify", "--isolated", "--no-isolated"])
def test_without_a_bundle_there_is_nothing_to_say_of_it(
    refused: Callable[..., str], clip: Any, option: str, tmp_path: Path
) -> None:
    line = refused("segment", clip.folder, "--mask", clip.mask, "--masks", tmp_path / "masks", option)
    assert "--bundle" in line
