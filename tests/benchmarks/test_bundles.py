import json
import shutil
from pathlib import Path

import pytest

from benchmarks.bundles import ensure_bundle, is_current
from mobilevos.bundle import Bundle
from mobilevos.contract import Dimensions
from mobilevos.model.checkpoint import load_network, save_network
from mobilevos.model.variants import build_network

pytestmark = [pytest.mark.executorch, pytest.mark.slow]


@pytest.fixture
def bundle(output: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return shutil.copytree(output / "bundle", tmp_path / "bundle")


def dimensions(checkpoint: Path, height: int = 64, objects: int = 1) -> Dimensions:
    return load_network(checkpoint).dimensions(height, 96, memory_frames=2, objects=objects)


def test_a_bundle_just_made_is_current_and_used_again(checkpoint: Path, output: Path) -> None:
    made = (output / "bundle" / "manifest.json").stat().st_mtime_ns
    bundle, reused = ensure_bundle(output / "bundle", checkpoint, (64, 96), objects=1)
    assert reused
    assert bundle.dimensions == dimensions(checkpoint)
    assert (output / "bundle" / "manifest.json").stat().st_mtime_ns == made


def test_another_size_or_number_of_objects_needs_another_bundle(checkpoint: Path, bundle: Path) -> None:
    assert not is_current(bundle, checkpoint, dimensions(checkpoint, height=80))
    assert not is_current(bundle, checkpoint, dimensions(checkpoint, objects=2))


def test_another_checkpoint_needs_another_bundle(checkpoint: Path, bundle: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_network(build_network("mobilenet_v2", seed=1), other, provenance={})
    assert is_current(bundle, checkpoint, dimensions(checkpoint))
    assert not is_current(bundle, other, dimensions(checkpoint))


def test_another_version_of_a_tool_needs_another_bundle(checkpoint: Path, bundle: Path) -> None:
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["versions"]["executorch"] = "0.0.1"
    path.write_text(json.dumps(manifest))
    assert not is_current(bundle, checkpoint, dimensions(checkpoint))


def test_a_damaged_or_missing_bundle_is_not_current(checkpoint: Path, bundle: Path, tmp_path: Path) -> None:
    program, _ = Bundle.open(bundle).artefact("segment")
    content = bytearray(program.read_bytes())
    content[len(content) // 2] ^= 1
    program.write_bytes(content)
    assert not is_current(bundle, checkpoint, dimensions(checkpoint))
    assert not is_current(tmp_path / "nothing", checkpoint, dimensions(checkpoint))
