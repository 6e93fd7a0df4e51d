"""The LiteRT engine: what it needs, what it leaves on the terminal, and models that are not what they seem."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mobilevos.bundle import MANIFEST, Bundle
from mobilevos.contract import Dimensions, signature
from mobilevos.engines.engine import Array
from mobilevos.engines.litert import LitertEngine, check_identifier
from mobilevos.errors import InputError

pytestmark = pytest.mark.tflite

PROGRAM = "mobilevos.tflite"


@pytest.fixture(scope="session")
def tflite_bundle(bundle_of: Callable[[str], Path]) -> Path:
    return bundle_of("tflite")


@pytest.fixture(scope="session")
def bundle(tflite_bundle: Path) -> Bundle:
    return Bundle.open(tflite_bundle)


@pytest.fixture
def copy(tflite_bundle: Path, tmp_path: Path) -> Path:
    """A bundle that may be damaged."""
    return Path(shutil.copytree(tflite_bundle, tmp_path / "bundle"))


def seal(folder: Path, content: bytes) -> None:
    """Exchanges the model and makes the manifest agree, as an attacker would."""
    (folder / PROGRAM).write_bytes(content)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][PROGRAM] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def step_inputs(dimensions: Dimensions) -> list[Array]:
    generator = np.random.default_rng(0)
    return [generator.random(spec.shape, np.float32) for spec in signature("segment", dimensions).inputs]


def test_the_fused_step_equals_its_components(bundle: Bundle) -> None:
    inputs = step_inputs(bundle.dimensions)
    fused, query = LitertEngine(bundle).segment(*inputs)
    steps, long_query = LitertEngine(bundle, fused=False).segment(*inputs)
    np.testing.assert_allclose(fused, steps, rtol=0, atol=1e-5 * float(np.ptp(steps)))
    np.testing.assert_allclose(query.key, long_query.key, rtol=0, atol=1e-5 * float(np.ptp(long_query.key)))
    assert query.feature4 is None
    assert long_query.feature4 is not None


def test_outputs_are_in_c_order(bundle: Bundle) -> None:
    logits, query = LitertEngine(bundle).segment(*step_inputs(bundle.dimensions))
    for array in (logits, query.key, query.feature16, query.feature8):
        assert array.flags.c_contiguous
        assert array.flags.writeable


def test_two_threads_compute_what_one_computes(bundle: Bundle) -> None:
    inputs = step_inputs(bundle.dimensions)
    one, two = (LitertEngine(bundle, threads=threads).segment(*inputs)[0] for threads in (1, 2))
    np.testing.assert_allclose(two, one, rtol=0, atol=1e-6 * float(np.ptp(one)))


def test_opening_an_engine_leaves_nothing_on_the_terminal(bundle: Bundle, capfd: pytest.CaptureFixture[str]) -> None:
    LitertEngine(bundle, threads=2).segment(*step_inputs(bundle.dimensions))
    assert capfd.readouterr() == ("", "")


def test_the_engine_loads_neither_torch_nor_tensorflow(tflite_bundle: Path) -> None:
    code = (
        "import sys; from mobilevos.bundle import Bundle; from mobilevos.engines.litert import LitertEngine; "
        "LitertEngine(Bundle.open(sys.argv[1])); print({'torch', 'tensorflow'} & set(sys.modules))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code, tflite_bundle],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.strip() == "set()"


def test_a_bundle_for_another_runtime(bundle: Bundle) -> None:
    other = dataclasses.replace(bundle, manifest=bundle.manifest | {"target": "executorch"})
    with pytest.raises(InputError, match="for another runtime; expected tflite; found executorch"):
        LitertEngine(other)


# Models with the right SHA-256


@pytest.mark.parametrize("head", [b"", b"\x1c\0\0\0TFL", b"\x1c\0\0\0TFL2", b"\x1c\0\0\0\xff\xfe\xfd\xfc", bytes(8)])
def test_the_identifier_is_checked_before_the_runtime_sees_a_file(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "x.tflite").write_bytes(head)
    with pytest.raises(InputError, match=r"x\.tflite is not a TFLite model; expected the identifier TFL3"):
        check_identifier(tmp_path / "x.tflite")


def test_a_model_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*x\.tflite; found No such file"):
        check_identifier(tmp_path / "x.tflite")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        pytest.param(lambda m: m[:8], "not a readable model", id="only the identifier"),
        pytest.param(lambda m: m[: len(m) // 2], "not a readable model", id="half"),
        pytest.param(lambda m: m[:-1], "not a readable model", id="all but a byte"),
        pytest.param(lambda m: m[:8] + bytes(len(m) - 8), "not a readable model", id="zeros"),
        pytest.param(lambda m: m[:8] + bytes(range(256)) * 40, "not a readable model", id="noise"),
        pytest.param(lambda m: m[:1000] + b"\0" + m[1000:], "not a readable model", id="a byte too many"),
        pytest.param(
            lambda m: m.replace(b"segment\0", b"segmemt\0"), "signature 'segment' cannot be loaded", id="renamed"
        ),
        pytest.param(
            lambda m: m.replace(b"memory_keys\0", b"memory_keyz\0"),
            "signature 'read_memory' cannot be loaded; found not the tensors that the manifest says",
            id="an input renamed",
        ),
    ],
)
def test_a_broken_model_with_the_right_checksum(copy: Path, damage: Callable[[bytes], bytes], words: str) -> None:
    content = (copy / PROGRAM).read_bytes()
    damaged = damage(content)
    assert damaged != content
    seal(copy, damaged)
    with pytest.raises(InputError, match=words) as caught:
        LitertEngine(Bundle.open(copy))
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("export the bundle again")


def test_a_signature_in_the_place_of_another(copy: Path) -> None:
    manifest = json.loads((copy / MANIFEST).read_text())
    manifest["components"]["decode"]["method"] = "read_memory"
    (copy / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="signature 'read_memory' cannot be loaded; found not the tensors"):
        LitertEngine(Bundle.open(copy))
