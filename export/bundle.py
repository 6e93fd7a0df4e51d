"""Writing bundles: artefacts, and the manifest that lets any engine in any language run them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from export.parity import Difference
from export.targets import ComponentArtefact
from mobilevos.bundle import MANIFEST, SCHEMA_VERSION, component_table, validate_manifest
from mobilevos.contract import EMPTY_BIAS, STRIDE, Dimensions, Signature, signature
from mobilevos.files import sha256_of
from mobilevos.golden import GOLDEN, ClosedLoop
from mobilevos.model.network import NetworkConfig

__all__ = ["BundleFacts", "make_manifest", "write_manifest"]


@dataclass(frozen=True)
class BundleFacts:
    """What a manifest says beyond what follows from the contract and the files.

    Attributes:
        target: The format, a name of `export.targets.TARGETS`.
        precision: Arithmetic of the artefacts.
        network: The network's configuration.
        dimensions: Every size.
        checkpoint_sha256: Of the checkpoint file; None for a network that never was one.
        provenance: Of the checkpoint.
        versions: Tool names and versions.
        components: What was built.
        options: The target's own options.
        parity: Each component's worst output against the reference, once it is known.
        golden: The manifest's section of the golden clip, once that is in the folder.
        closed_loop: The bundle on the golden clip, once it is known.
        memory_every: Frames between two memorised ones, which the network was made for.
        quantization: The manifest's section of a bundle in int8; None for any other.
        least_sqnr_db: What its components had to keep, where that was not left to the precision.
    """

    target: str
    precision: str
    network: NetworkConfig
    dimensions: Dimensions
    checkpoint_sha256: str | None
    provenance: dict[str, Any]
    versions: dict[str, str]
    components: Mapping[str, ComponentArtefact]
    options: dict[str, Any] = field(default_factory=dict)
    parity: Mapping[str, Difference] = field(default_factory=dict)
    golden: dict[str, Any] | None = None
    closed_loop: ClosedLoop | None = None
    memory_every: int = field(default=5)
    quantization: dict[str, Any] | None = None
    least_sqnr_db: float | None = None

    @property
    def not_executed(self) -> str:
        """Why no runtime of this host can run it; empty if one can."""
        return next((one.not_executed for one in self.components.values() if one.not_executed), "")


def write_manifest(folder: Path, facts: BundleFacts) -> None:
    """Writes `manifest.json`; see `make_manifest`."""
    (folder / MANIFEST).write_text(json.dumps(make_manifest(folder, facts), indent=2) + "\n")


def make_manifest(folder: Path, facts: BundleFacts) -> dict[str, Any]:
    """The manifest over the files that lie in `folder`, whose checksums it takes.

    Raises:
        InputError: It would be against the schema or the contract.
    """
    d = facts.dimensions
    manifest = {
        "schema": SCHEMA_VERSION,
        "target": facts.target,
        "precision": facts.precision,
        "options": facts.options,
        "model": {
            "variant": facts.network.name,
            "network": asdict(facts.network),
            "checkpoint_sha256": facts.checkpoint_sha256,
            "provenance": facts.provenance,
        },
        "input": {
            "height": d.height,
            "width": d.width,
            "stride": STRIDE,
            "range": [0, 1],
            "normalisation": "inside",
            "padding": "zeros, bottom and right",
        },
        "memory": {
            "frames": d.memory_frames,
            "policy": "first and latest",
            "every": facts.memory_every,
            "key_channels": d.key_channels,
            "value_channels": d.value_channels,
            "empty_bias": EMPTY_BIAS,
        },
        "objects": d.objects,
        "components": _components(facts),
        "files": _files(folder, facts.components),
        "versions": facts.versions,
    }
    manifest |= {"not_executed": facts.not_executed} if facts.not_executed else {}
    manifest |= {} if facts.quantization is None else {"quantization": facts.quantization}
    manifest |= {} if facts.least_sqnr_db is None else {"least_sqnr_db": facts.least_sqnr_db}
    manifest |= {} if facts.golden is None else {GOLDEN: facts.golden}
    manifest |= {} if facts.closed_loop is None else {"parity": {"closed_loop": facts.closed_loop.to_json()}}
    as_read: dict[str, Any] = json.loads(json.dumps(manifest))  # tuples become lists
    validate_manifest(as_read, folder / MANIFEST)
    return as_read


def _components(facts: BundleFacts) -> dict[str, dict[str, Any]]:
    table = {}
    for name, tensors in component_table(facts.dimensions, facts.components).items():
        artefact, contract = facts.components[name], signature(name, facts.dimensions)
        entry: dict[str, Any] = {"file": artefact.path, "method": artefact.method, **tensors}
        entry |= {"artefact": _own_tensors(artefact, contract)} if artefact.inputs or artefact.outputs else {}
        entry |= {"dynamic_objects": True} if artefact.dynamic_objects else {}
        entry |= {"size_bytes": artefact.size_bytes, "operators": artefact.operators.to_json()}
        entry |= {"parity": facts.parity[name].to_json()} if name in facts.parity else {}
        entry |= {"details": artefact.details} if artefact.details else {}
        table[name] = entry
    return table


def _own_tensors(artefact: ComponentArtefact, contract: Signature) -> dict[str, list[dict[str, Any]]]:
    return {
        "inputs": [asdict(spec) for spec in artefact.inputs or contract.inputs],
        "outputs": [asdict(spec) for spec in artefact.outputs or contract.outputs],
    }


def _files(folder: Path, components: Mapping[str, ComponentArtefact]) -> dict[str, dict[str, Any]]:
    varying = {file for artefact in components.values() for file in artefact.varying}
    table: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != MANIFEST:
            table[name] = {"sha256": sha256_of(path), "bytes": path.stat().st_size}
            table[name] |= {"varies": True} if name in varying else {}
    return table
