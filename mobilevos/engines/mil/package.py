"""`.mlpackage` folders, opened with distrust: which file is the model, and whether its weights are where it says.

Core ML Tools follows the paths in a package's `Manifest.json` and in its model wherever they lead, so both are looked
at before it sees either.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobilevos.engines.mil.toolkit import import_coremltools
from mobilevos.errors import InputError
from mobilevos.files import resolve_inside

__all__ = ["WEIGHTS", "ModelPackage", "read_package"]

WEIGHTS = "weights"
"""Folder beside the model that holds the files of its large constants."""

_REMEDY = "export the bundle again"
_MODEL_PATH = "@model_path/"  # how a model names the folder that it lies in


@dataclass(frozen=True)
class ModelPackage:
    """A package on disk.

    Attributes:
        folder: The `.mlpackage`.
        model: `coremltools.proto.Model_pb2.Model`, of an ML program.
        weights: The folder of its weight files, each of which the model names is there.
    """

    folder: Path
    model: Any
    weights: Path


def read_package(folder: Path) -> ModelPackage:
    """Reads a package's model.

    Args:
        folder: The `.mlpackage`.

    Raises:
        InputError: Core ML Tools is not installed; the folder is no package, a path in it leads outside, a file is
            missing, or the model is damaged or no ML program.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a Core ML package", expected="a folder", remedy=_REMEDY)
    path = _model_path(folder)
    model = import_coremltools().proto.Model_pb2.Model()
    try:
        model.ParseFromString(_read(path))
    except Exception as error:  # protobuf's own classes, and RecursionError
        raise InputError(f"{path} is not a readable Core ML model", found=str(error)[:200], remedy=_REMEDY) from error
    if model.WhichOneof("Type") != "mlProgram":
        raise InputError(
            f"{path} is not an ML program", expected="mlProgram", found=str(model.WhichOneof("Type")), remedy=_REMEDY
        )
    for name in _weight_files(model.mlProgram):
        _require_weights(path.parent, name)
    return ModelPackage(folder, model, path.parent / WEIGHTS)


def _model_path(folder: Path) -> Path:
    """The model file that `Manifest.json` names; every path in it must stay inside the package."""
    source = folder / "Manifest.json"
    try:
        manifest = json.loads(_read(source))
        entries = manifest["itemInfoEntries"]
        paths = {identifier: str(entry["path"]) for identifier, entry in entries.items()}
        root = paths[manifest["rootModelIdentifier"]]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{source} is not a package's manifest", found=repr(error)[:200], remedy=_REMEDY) from error
    resolved = {path: resolve_inside(folder / "Data", path) for path in paths.values()}
    return resolved[root]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}", found=error.strerror or str(error), remedy=_REMEDY) from error


def _weight_files(program: Any) -> set[str]:
    """Names of the files that hold a program's large constants."""
    return {
        value.blobFileValue.fileName
        for function in program.functions.values()
        for block in function.block_specializations.values()
        for operation in block.operations
        for value in _values(operation)
        if value.WhichOneof("value") == "blobFileValue"
    }


def _values(operation: Any) -> Iterator[Any]:
    yield from operation.attributes.values()
    for argument in operation.inputs.values():
        yield from (binding.value for binding in argument.arguments if binding.WhichOneof("binding") == "value")


def _require_weights(model_folder: Path, name: str) -> None:
    """Core ML Tools takes the last part of `name` alone, and looks for it in the weights folder."""
    relative = name.removeprefix(_MODEL_PATH)
    if not name.startswith(_MODEL_PATH) or Path(relative).parent != Path(WEIGHTS):
        raise InputError(
            f"{model_folder} names a weight file outside it", found=repr(name)[:100], remedy="do not use this bundle"
        )
    if not resolve_inside(model_folder, relative).is_file():
        raise InputError(f"{model_folder / relative} is missing", remedy=_REMEDY)
