"""The ONNX engine: any number of objects in one call, models that are not what they seem, and no PyTorch."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mobilevos.bundle import MANIFEST, Bundle, component_table
from mobilevos.contract import signature
from mobilevos.engines.onnx import OnnxEngine
from mobilevos.errors import InputError

pytestmark = pytest.mark.onnx

MODEL = "decode.onnx"


@pytest.fixture(scope="module")
def bundle(bundle_of: Callable[[str], Path]) -> Bundle:
    return Bundle.open(bundle_of("onnx"))


@pytest.fixture
def copy(bundle: Bundle, tmp_path: Path) -> Path:
    """A bundle that may be damaged."""
    return Path(shutil.copytree(bundle.folder, tmp_path / "bundle"))


def seal(folder: Path, content: bytes) -> None:
    """Exchanges the decoder and makes the manifest agree, as an attacker would."""
    (folder / MODEL).write_bytes(content)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][MODEL] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_three_objects_in_one_call_are_three_calls_of_one(bundle: Bundle) -> None:
    engine, generator = OnnxEngine(bundle), np.random.default_rng(0)
    specs = signature("segment", replace(bundle.dimensions, objects=3)).inputs
    image, keys, values = (generator.random(spec.shape, np.float32) for spec in specs)
    together, _ = engine.segment(image, keys, values)
    alone = np.concatenate([engine.segment(image, keys, value[None])[0] for value in values])
    assert engine.info.objects is None
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5 * float(np.ptp(alone)))


def test_no_session_runs_with_a_free_dimension(bundle: Bundle) -> None:
    """In which ONNX Runtime's decoder takes a fifth longer."""
    engine, generator = OnnxEngine(bundle), np.random.default_rng(0)
    for objects in (1, 2, 2, 1):
        specs = signature("segment", replace(bundle.dimensions, objects=objects)).inputs
        engine.segment(*(generator.random(spec.shape, np.float32) for spec in specs))
        for _, session in engine._sessions.values():
            assert all(isinstance(side, int) for tensor in session.get_inputs() for side in tensor.shape)
        assert engine._sessions["segment"][1].get_inputs()[2].shape[0] == objects


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda model: b"", id="empty"),
        pytest.param(lambda model: model[: len(model) // 2], id="half"),
        pytest.param(lambda model: bytes(range(256)) * 40, id="noise"),
        pytest.param(lambda model: model.replace(b"Relu", b"Rely"), id="no such operator"),
    ],
)
def test_a_broken_model_with_the_right_checksum(
    copy: Path, damage: Callable[[bytes], bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    seal(copy, damage((copy / MODEL).read_bytes()))
    with pytest.raises(InputError, match=r"decode\.onnx is not a readable model; found .*export the bundle again") as e:
        OnnxEngine(Bundle.open(copy))
    assert "\n" not in str(e.value)
    assert capfd.readouterr() == ("", "")


def test_the_model_of_another_component(copy: Path) -> None:
    seal(copy, (copy / "read_memory.onnx").read_bytes())
    with pytest.raises(InputError, match=r"decode\.onnx does not follow the contract of decode; .*objectsx96x4x6"):
        OnnxEngine(Bundle.open(copy))


def test_a_model_of_another_size_than_its_manifest(copy: Path) -> None:
    manifest = json.loads((copy / MANIFEST).read_text())
    for name, table in component_table(replace(Bundle.open(copy).dimensions, height=80)).items():
        manifest["components"][name] |= table
    manifest["input"]["height"] = 80
    (copy / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"does not follow the contract of encode_query; expected image .*1x3x80x96"):
        OnnxEngine(Bundle.open(copy))


def test_the_engine_runs_without_pytorch(bundle: Bundle) -> None:
    code = (
        "import sys; from mobilevos.engines import open_engine; from pathlib import Path;"
        "open_engine('onnx', bundle=Path(sys.argv[1]), threads=1);"
        "print(sorted({'torch', 'onnx', 'torchvision'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, bundle.folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
