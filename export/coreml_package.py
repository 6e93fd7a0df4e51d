"""Making a saved `.mlpackage` small, and the same bytes for the same program."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from export.coreml_shrinking import shrink_program
from mobilevos.engines.mil.package import read_package

__all__ = ["normalise_package"]

_DEBUG_MAPPING = "executorch_debug_handle_mapping.json"
"""Core ML Tools' notes for ExecuTorch's debugger, which no one reads here."""

_WEIGHT_FILE = "weight.bin"


def normalise_package(folder: Path) -> None:
    """Takes out what Core ML Tools makes anew at each export, random identifiers and the order of maps, and what it
    says more than once.

    Args:
        folder: A package just saved, which is changed in place.

    Raises:
        InputError: It is no package.
    """
    package = read_package(folder)
    (folder / _DEBUG_MAPPING).unlink(missing_ok=True)
    shrink_program(package.model, package.weights / _WEIGHT_FILE)
    model = package.weights.parent / "model.mlmodel"
    model.write_bytes(package.model.SerializeToString(deterministic=True))
    model.chmod(0o644)
    source = folder / "Manifest.json"
    manifest = json.loads(source.read_text())
    names = {
        name: str(uuid.uuid5(uuid.NAMESPACE_URL, entry["path"])) for name, entry in manifest["itemInfoEntries"].items()
    }
    manifest["itemInfoEntries"] = {names[name]: entry for name, entry in manifest["itemInfoEntries"].items()}
    manifest["rootModelIdentifier"] = names[manifest["rootModelIdentifier"]]
    source.write_text(json.dumps(manifest, indent=4, sort_keys=True) + "\n")
