"""Writing bundles: artefacts, and the manifest that lets any engine in any language run them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mobilevos.bundle import MANIFEST, SCHEMA_VERSION, component_table, validate_manifest
from mobilevos.contract import EMPTY_BIAS, STRIDE, Dimensions
from mobilevos.files import sha256_of
from mobilevos.model.network import NetworkConfig

__all__ = ["BundleFacts", "write_manifest"]


@dataclass(frozen=True)
class BundleFacts:
    """What a manifest says beyond what follows from the contract and the files.

    Attributes:
        target: The runtime.
        precision: Arithmetic of the artefacts.
        network: The network's configuration.
        dimensions: Every size.
        checkpoint_sha256: Of the checkpoint file; None for a network that never was one.
        provenance: Of the checkpoint.
        versions: Tool names and versions.
        components: Per component: `file` and `method`, and its `operators` and `parity` reports.
        memory_every: Frames between two memorised ones, which the network was made for.
    """

    target: str
    precision: str
    network: NetworkConfig
    dimensions: Dimensions
    checkpoint_sha256: str | None
    provenance: dict[str, Any]
    versions: dict[str, str]
    components: dict[str, dict[str, Any]]
    memory_every: int = field(default=5)


def write_manifest(folder: Path, facts: BundleFacts) -> None:
    """Writes `manifest.json` over the files that lie in `folder`, whose checksums it takes.

    Raises:
        InputError: What would be written is against the schema or the contract.
    """
    d = facts.dimensions
    table = component_table(d)
    manifest = {
        "schema": SCHEMA_VERSION,
        "target": facts.target,
        "precision": facts.precision,
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
        "components": {name: facts.components[name] | table[name] for name in table},
        "files": {
            path.relative_to(folder).as_posix(): {"sha256": sha256_of(path), "bytes": path.stat().st_size}
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != MANIFEST
        },
        "versions": facts.versions,
    }
    manifest = json.loads(json.dumps(manifest))  # tuples become lists, as a reader sees them
    validate_manifest(manifest, folder / MANIFEST)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
