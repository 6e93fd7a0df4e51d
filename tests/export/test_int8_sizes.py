"""The shipped int8 student takes at most 0.30 of what the same network takes in float, on every target."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from export.reference import Reference
from export.targets import TARGETS, BuildRequest
from mobilevos.bundle import Bundle
from mobilevos.model.checkpoint import load_network
from mobilevos.model.components import build_components
from mobilevos.model.folding import fold_batch_norm
from mobilevos.quantization.stored import load_stored
from mobilevos.weights import default_int8_checkpoint

LIMIT = 0.30


def _marked(name: str) -> Any:
    return pytest.param(name, marks=[pytest.mark.slow, getattr(pytest.mark, TARGETS[name].extra)])


@pytest.fixture(scope="session")
def shipped_int8() -> Reference:
    checkpoint = default_int8_checkpoint()
    assert checkpoint is not None
    network, stored = load_network(checkpoint), load_stored(checkpoint)
    return Reference(network, network.dimensions(64, 96, 2, 1), stored)  # the size of the bundles in float


@pytest.mark.parametrize("target", [_marked(name) for name in ("coreml", "executorch", "onnx", "tflite")])
def test_encoders_and_decoder_are_at_most_0_30_of_their_size_in_float(
    target: str, shipped_int8: Reference, bundle_of: Callable[[str], Path], tmp_path: Path
) -> None:
    in_float = Bundle.open(bundle_of(target))
    assert in_float.dimensions == shipped_int8.dimensions
    options = TARGETS[target].load().Options()
    components = build_components(fold_batch_norm(shipped_int8.network).to(memory_format=torch.contiguous_format))  # type: ignore[call-overload]
    request = BuildRequest(components, shipped_int8.dimensions, "int8", shipped_int8.activations, options)
    build = TARGETS[target].load_int8().build_int8
    artefacts = build(request, shipped_int8.quantized, tmp_path, lambda stage: None)
    sizes = {
        name: (one.size_bytes, in_float.manifest["components"][name]["size_bytes"]) for name, one in artefacts.items()
    }
    for name in ("encode_query", "encode_memory", "decode"):
        small, large = sizes[name]
        assert 0.25 < small / large <= LIMIT, name
    assert _artefact_bytes(tmp_path, artefacts) <= LIMIT * _artefact_bytes(in_float.folder, artefacts)


def _artefact_bytes(folder: Path, artefacts: Any) -> int:
    """Of all components: those that share a file count it once."""
    paths = [folder / path for path in {one.path for one in artefacts.values()}]
    return sum(file.stat().st_size for path in paths for file in (path, *path.rglob("*")) if file.is_file())
