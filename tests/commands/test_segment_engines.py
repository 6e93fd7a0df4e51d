"""`mobilevos segment --engine X`: every engine tracks a clip as the reference does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobilevos.data.masks import read_mask
from mobilevos.engines import BUNDLE_ENGINES, engine_class

Command = Callable[..., Any]


def _engines() -> Iterator[Any]:
    for name in BUNDLE_ENGINES:
        extra = engine_class(name).runtime.extra
        yield pytest.param(name, marks=[getattr(pytest.mark, extra)] if extra else [])


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
