"""A bundle on disk: artefacts and the `manifest.json` that says what they are. Reading and checking it.

`export` writes bundles; the engines here, and the Android and iOS apps, read the same manifest. No artefact format
guards its own weights (one flipped bit gives wrong masks without an error), hence the SHA-256 of every file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.resources import files
from math import prod
from pathlib import Path
from typing import Any

import jsonschema

from mobilevos.contract import COMPONENTS, OPTIONAL_COMPONENTS, Dimensions, Signature, TensorSpec, signature
from mobilevos.errors import InputError
from mobilevos.files import resolve_inside, sha256_of

__all__ = ["EXPORTS", "MANIFEST", "SCHEMA_VERSION", "Bundle", "component_table", "validate_manifest"]

EXPORTS = Path("build/bundles")
"""Where bundles lie, each in a folder named as its target, unless a command is told of another place."""

MANIFEST = "manifest.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Bundle:
    """A checked bundle.

    Attributes:
        folder: Where it lies.
        manifest: The whole manifest, valid against the schema and the contract.
        dimensions: The sizes that fix every shape.
        verified: Whether each file was compared with its SHA-256.
    """

    folder: Path
    manifest: dict[str, Any]
    dimensions: Dimensions
    verified: bool = False

    @classmethod
    def open(cls, folder: Path | str, *, verify: bool = True) -> Bundle:
        """Reads a bundle's manifest and checks its files.

        Args:
            folder: Holds `manifest.json`.
            verify: Also compare each file's size and SHA-256 with the manifest.

        Raises:
            InputError: The manifest is missing, damaged, of another version or against the contract; a file is
                missing, lies outside the folder or differs from what the manifest says.
        """
        return cls.of(folder, _read_manifest(Path(folder) / MANIFEST), verify=verify)

    @classmethod
    def of(cls, folder: Path | str, manifest: dict[str, Any], *, verify: bool = True) -> Bundle:
        """Checks a folder's files by a manifest that does not lie in it yet; otherwise like `open`.

        Args:
            folder: Holds the artefacts.
            manifest: Whatever a JSON file might hold.
            verify: See `open`.

        Raises:
            InputError: See `open`.
        """
        folder = Path(folder)
        validate_manifest(manifest, folder / MANIFEST)
        for name, facts in manifest["files"].items():
            _check_file(resolve_inside(folder, name), facts, verify=verify)
        for name in {component["file"] for component in manifest["components"].values()}:
            _check_nothing_unlisted(folder, name, manifest["files"])
        return cls(folder, manifest, _dimensions(manifest), verify)

    @property
    def target(self) -> str:
        """The runtime it was made for."""
        return str(self.manifest["target"])

    @property
    def precision(self) -> str:
        """Arithmetic of its artefacts."""
        return str(self.manifest["precision"])

    @property
    def least_sqnr_db(self) -> float | None:
        """What each component had to keep of the reference; None where that was left to the precision."""
        value: float | None = self.manifest.get("least_sqnr_db")
        return value

    @property
    def not_executed(self) -> str:
        """Why the host that exported it could not run it; empty if it could."""
        return str(self.manifest.get("not_executed", ""))

    @property
    def dynamic_objects(self) -> bool:
        """Whether every component takes any number of objects in one call."""
        return all(component.get("dynamic_objects", False) for component in self.manifest["components"].values())

    @property
    def artefact_bytes(self) -> int:
        """Size of all that the runtime opens together, as the manifest has it."""
        opened = {str(component["file"]) for component in self.manifest["components"].values()}
        files = self.manifest["files"].items()
        return sum(int(facts["bytes"]) for name, facts in files if name in opened or name.split("/")[0] in opened)

    def artefact(self, component: str) -> tuple[Path, str]:
        """What the runtime opens for a component, a file or a folder, and the component's name in it."""
        entry = self.manifest["components"][component]
        return resolve_inside(self.folder, entry["file"]), str(entry["method"])

    def artefact_signature(self, component: str) -> Signature:
        """A component's tensors as the artefact names and lays them out, in the contract's order."""
        own = self.manifest["components"][component].get("artefact")
        if own is None:
            return signature(component, self.dimensions)
        return replace(
            signature(component, self.dimensions), inputs=_specs(own["inputs"]), outputs=_specs(own["outputs"])
        )


def component_table(dimensions: Dimensions, components: Iterable[str] = COMPONENTS) -> dict[str, dict[str, Any]]:
    """The manifest's names, shapes, layouts and dtypes of components, from the contract."""
    return {name: _tensor_table(signature(name, dimensions)) for name in components}


def _tensor_table(one: Signature) -> dict[str, Any]:
    sides = {"inputs": one.inputs, "outputs": one.outputs} | ({"states": one.states} if one.states else {})
    return {side: [asdict(spec) | {"shape": list(spec.shape)} for spec in specs] for side, specs in sides.items()}


def validate_manifest(manifest: Any, source: Path) -> None:
    """Checks a manifest against the schema, and its components against the contract.

    Args:
        manifest: What a JSON file held, whatever it was.
        source: The file, for the message.

    Raises:
        InputError: With the first thing that is wrong.
    """
    try:
        _validate(manifest, source)
    except RecursionError as error:
        raise InputError(f"{source} is not a bundle manifest", found="too deep a nesting") from error


def _validate(manifest: Any, source: Path) -> None:
    if isinstance(manifest, dict) and manifest.get("schema") != SCHEMA_VERSION:
        raise InputError(
            f"{source} is of another version",
            expected=f"schema {SCHEMA_VERSION}",
            found=repr(manifest.get("schema"))[:40],
            remedy="export the bundle again with this version",
        )
    error = jsonschema.exceptions.best_match(_validator().iter_errors(manifest))
    if error is not None:
        raise InputError(f"{source} is not a bundle manifest", found=f"{error.json_path}: {error.message[:200]}")
    present = [*COMPONENTS, *(name for name in OPTIONAL_COMPONENTS if name in manifest["components"])]
    for name, expected in component_table(_dimensions(manifest), present).items():
        entry = manifest["components"][name]
        if any(entry.get(side) != expected.get(side) for side in ("inputs", "outputs", "states")):
            raise InputError(
                f"{source}: component {name} does not follow the contract", remedy="export the bundle again"
            )
        if not any(file == entry["file"] or file.startswith(f"{entry['file']}/") for file in manifest["files"]):
            raise InputError(f"{source}: component {name} names an unlisted file", found=repr(entry["file"][:80]))
        _check_own_tensors(entry, name, source)


def _check_own_tensors(entry: dict[str, Any], component: str, source: Path) -> None:
    """Another layout has the same number of elements, and every tensor of the contract has its counterpart."""
    for side, own in entry.get("artefact", {}).items():
        if [prod(spec["shape"]) for spec in own] != [prod(spec["shape"]) for spec in entry[side]]:
            raise InputError(
                f"{source}: the artefact's {side} of {component} are not those of the contract",
                remedy="export the bundle again",
            )


def _specs(tensors: list[dict[str, Any]]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(one["name"], tuple(int(side) for side in one["shape"]), one["layout"], one["dtype"])
        for one in tensors
    )


def _dimensions(manifest: dict[str, Any]) -> Dimensions:
    features = {
        spec["name"]: spec["shape"][1] for spec in manifest["components"]["decode"]["inputs"] if len(spec["shape"]) > 1
    }
    frame, memory = manifest["input"], manifest["memory"]
    # int(): to JSON, 2.0 is an integer too.
    return Dimensions(
        int(frame["height"]),
        int(frame["width"]),
        int(memory["frames"]),
        int(manifest["objects"]),
        int(memory["key_channels"]),
        int(memory["value_channels"]),
        (int(features.get("feature16", 1)), int(features.get("feature8", 1)), int(features.get("feature4", 1))),
    )


def _check_file(path: Path, facts: dict[str, Any], *, verify: bool) -> None:
    try:
        if not path.is_file():
            raise InputError(f"{path} is missing from the bundle", remedy="export the bundle again")
        if not verify:
            return
        size, sha256 = path.stat().st_size, sha256_of(path)
    except OSError as error:
        raise InputError(f"cannot read {path}", found=error.strerror or str(error)) from error
    if (size, sha256) != (facts["bytes"], facts["sha256"]):
        raise InputError(
            f"{path} is damaged or was exchanged",
            expected=f"{facts['bytes']} bytes, SHA-256 {facts['sha256'][:12]}...",
            found=f"{size} bytes, SHA-256 {sha256[:12]}...",
            remedy="export the bundle again",
        )


def _check_nothing_unlisted(folder: Path, name: str, listed: dict[str, Any]) -> None:
    """A runtime reads what it finds in an artefact that is a folder, so nothing may lie in it that was not checked."""
    artefact = resolve_inside(folder, name)
    for path in artefact.rglob("*") if artefact.is_dir() else ():
        relative = path.relative_to(folder).as_posix()
        if (path.is_symlink() or not path.is_dir()) and relative not in listed:
            raise InputError(f"{path} is not in the bundle's manifest", remedy="export the bundle again")


def _read_manifest(path: Path) -> Any:
    try:
        if not path.is_file():
            raise InputError(
                f"{path.parent} is not a bundle",
                expected=MANIFEST,
                remedy="make one with `python -m export.executorch`",
            )
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}", found=error.strerror or str(error)) from error
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON", found=str(error)) from error


@cache
def _validator() -> jsonschema.Draft202012Validator:
    schema = json.loads((files("mobilevos") / "manifest.schema.json").read_text())
    return jsonschema.Draft202012Validator(schema)
