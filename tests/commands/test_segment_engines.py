"""`mobilevos segment --engine X`: every engine tracks a clip as the reference does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobilevos.bundle import EXPORTS
from mobilevos.data.masks import read_mask
from mobilevos.engines import BUNDLE_ENGINES, engine_class

Command = Callable[..., Any]


def _engines() -> Iterator[Any]:
    for name in BUNDLE_ENGINES:
        extra = engine_class(name).runtime.extra
        yield pytest.param(name, marks=[getattr(pytest.mark, extra)] if extra else [])


def test_an_engine_alone_runs_what_export_left_where_it_writes(
    mobilevos: Command, clip: Any, bundle_of: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    EXPORTS.mkdir(parents=True)
    (EXPORTS / "torchscript").symlink_to(bundle_of("torchscript"))
    arguments = ("segment", clip.folder.absolute(), "--mask", clip.mask.absolute(), "--engine", "torchscript")
    outcome = mobilevos(*arguments, "--json", "report.json")
    assert outcome.code == 0, outcome
    report = json.loads(Path("report.json").read_text())
    assert report["weights"]["bundle"] == str(EXPORTS / "torchscript")


@pytest.mark.slow
@pytest.mark.parametrize("engine", _engines())
def test_the_masks_are_the_references(
    engine: str,
    mobilevos: Command,
    clip: Any,
    random_checkpoint: Path,
    bundle_of: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    bundle = bundle_of(engine_class(engine).runtime.target)
    runs = {"eager": ("--checkpoint", random_checkpoint), engine: ("--bundle", bundle)}
    for name, options in runs.items():
        arguments = ("--mask", clip.mask, "--engine", name, *options, "--masks", tmp_path / name)
        outcome = mobilevos("segment", clip.folder, *arguments)
        assert outcome.code == 0, outcome
    expected, actual = ([read_mask(path) for path in sorted((tmp_path / name).iterdir())] for name in runs)
    assert len(actual) == len(clip.frames)
    different = np.mean(np.stack(expected) != np.stack(actual))
    assert different < 1e-3
