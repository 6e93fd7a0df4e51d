"""A student with random weights, and one export of it at a tiny size for all tests that need one."""

from __future__ import annotations

from pathlib import Path

import pytest

SIZE = (64, 96)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student that never learnt anything: its masks are poor, and always the same."""
    from mobilevos.model.checkpoint import save_network
    from mobilevos.model.variants import build_network

    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_network(build_network("mobilenet_v2", seed=0), path, provenance={"made": "for tests"}, half=True)
    return path


@pytest.fixture(scope="session")
def output(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of outputs whose `bundle/` was exported for one object and frames of 64x96."""
    from benchmarks.bundles import ensure_bundle

    folder = tmp_path_factory.mktemp("output")
    _, reused = ensure_bundle(folder / "bundle", checkpoint, SIZE, objects=1)
    assert not reused
    return folder
