"""Small int8 bundles in which one layer is kept in float, and frames to measure on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from export.targets import TARGETS
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.stored import StoredQuantization, load_stored

KEPT = "decoder.to8"
"""In float, on request."""


def _marked(name: str) -> Any:
    return pytest.param(name, marks=[getattr(pytest.mark, TARGETS[name].extra)])


@pytest.fixture(scope="session", params=[_marked(name) for name in ("executorch", "onnx", "coreml", "tflite")])
def int8_target(request: pytest.FixtureRequest) -> str:
    """Each target whose layers can be read, in turn."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def int8_checkpoint() -> Path:
    """The shipped student that was trained for int8.

    Every export here passes the closed loop: a network that never learnt anything has masks that hang on ties, and two
    right engines differ on them by more than the gate allows.
    """
    from mobilevos.weights import default_int8_checkpoint

    path = default_int8_checkpoint()
    assert path is not None, "the int8 student is shipped"
    return path


@pytest.fixture(scope="session")
def int8_student(int8_checkpoint: Path) -> MemoryNetwork:
    """The network of `int8_checkpoint`."""
    from mobilevos.model.checkpoint import load_network

    return load_network(int8_checkpoint)


@pytest.fixture(scope="session")
def int8_stored(int8_checkpoint: Path) -> StoredQuantization:
    """How `int8_checkpoint` is quantized, with `KEPT` in float besides."""
    stored = load_stored(int8_checkpoint)
    assert stored is not None
    specification = stored.specification
    kept = replace(specification, float_layers=(*specification.float_layers, KEPT))
    return replace(stored, specification=kept)


@pytest.fixture(scope="session")
def int8_bundle_of(
    int8_checkpoint: Path,
    int8_student: MemoryNetwork,
    int8_stored: StoredQuantization,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Path]:
    """Exports `int8_checkpoint` to a target in int8, once, for 64x96 frames, `KEPT` in float. To be read only."""
    from export.pipeline import export_bundle
    from mobilevos.files import sha256_of

    @cache
    def bundle(target: str) -> Path:
        output = tmp_path_factory.mktemp("int8") / target
        export_bundle(
            TARGETS[target],
            int8_student,
            int8_student.dimensions(64, 96, 2, 1),
            output,
            precision="int8",
            checkpoint_sha256=sha256_of(int8_checkpoint),
            quantization=int8_stored,
        )
        return output

    return bundle


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the frames of a clip."""
    from mobilevos.data.synthetic import SyntheticClip

    folder = tmp_path_factory.mktemp("images")
    for index, frame in enumerate(SyntheticClip(seed=1, length=8, size=(32, 48), objects=1)):
        Image.fromarray(frame).save(folder / f"{index:02d}.png")
    return folder
