"""Bundles that are written and changed in no time: their program is 100 bytes of no meaning."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from export.bundle import BundleFacts, write_manifest
from export.operators import OperatorReport
from export.targets import ComponentArtefact
from mobilevos.bundle import MANIFEST, Bundle
from mobilevos.contract import COMPONENTS, Dimensions
from mobilevos.errors import InputError
from mobilevos.model.variants import network_config

DIMENSIONS = Dimensions(64, 96, 2, 1, 64, 96, (96, 32, 24))
PROGRAM = "mobilevos.pte"


def artefacts(file: str = PROGRAM, **facts: Any) -> dict[str, ComponentArtefact]:
    """All components in one file."""
    return {name: ComponentArtefact(file, name, 100, OperatorReport(5, 1, 0, ()), **facts) for name in COMPONENTS}


def write_bundle(folder: Path, dimensions: Dimensions = DIMENSIONS) -> dict[str, Any]:
    """Writes a bundle whose program is 100 bytes of no meaning: nothing here looks into it."""
    (folder / PROGRAM).write_bytes(bytes(range(100)))
    network = network_config("mobilenet_v2")
    write_manifest(
        folder,
        BundleFacts(
            "executorch", "fp32", network, dimensions, "0" * 64, {"made": "for tests"}, {"torch": "2"}, artefacts()
        ),
    )
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    return manifest


def rewrite(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def refusal(folder: Path) -> str:
    """The one line with which a bundle is refused."""
    with pytest.raises(InputError) as caught:
        Bundle.open(folder)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 600
    return line
