"""The ExecuTorch engine: inputs it must not hand on, the thread pool, and programs that are not what they seem."""

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

from mobilevos.bundle import MANIFEST, Bundle, component_table
from mobilevos.contract import Dimensions, signature
from mobilevos.data.masks import write_mask
from mobilevos.data.synthetic import SyntheticClip
from mobilevos.data.video import VideoWriter
from mobilevos.engines.engine import Array
from mobilevos.engines.executorch import ExecutorchEngine
from mobilevos.engines.executorch_program import check_identifier
from mobilevos.errors import InputError

pytestmark = pytest.mark.executorch

PROGRAM = "mobilevos.pte"


@pytest.fixture(scope="session")
def bundle(small_bundle: Path) -> Bundle:
    return Bundle.open(small_bundle)


@pytest.fixture
def copy(small_bundle: Path, tmp_path: Path) -> Path:
    """A bundle that may be damaged."""
    return Path(shutil.copytree(small_bundle, tmp_path / "bundle"))


def seal(folder: Path, content: bytes) -> None:
    """Exchanges the program and makes the manifest agree, as an attacker would."""
    (folder / PROGRAM).write_bytes(content)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][PROGRAM] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def step_inputs(dimensions: Dimensions) -> list[Array]:
    generator = np.random.default_rng(0)
    return [generator.random(spec.shape, np.float32) for spec in signature("segment", dimensions).inputs]


# Inputs


def test_the_fused_step_equals_its_components(bundle: Bundle) -> None:
    inputs = step_inputs(bundle.dimensions)
    fused, query = ExecutorchEngine(bundle).segment(*inputs)
    steps, long_query = ExecutorchEngine(bundle, fused=False).segment(*inputs)
    np.testing.assert_allclose(fused, steps, rtol=0, atol=1e-5 * float(np.ptp(steps)))
    np.testing.assert_allclose(query.key, long_query.key, rtol=0, atol=1e-5 * float(np.ptp(long_query.key)))
    assert query.feature4 is None
    assert long_query.feature4 is not None


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda image: image.astype(np.float64), r"float64 \[1, 3, 64, 96\]"),
        (lambda image: image.astype(np.uint8), r"uint8 \[1, 3, 64, 96\]"),
        (lambda image: image[0], r"float32 \[3, 64, 96\]"),
        (lambda image: image[..., :80], r"float32 \[1, 3, 64, 80\]"),
        (lambda image: image.transpose(0, 2, 3, 1), r"float32 \[1, 64, 96, 3\]"),
    ],
)
def test_an_input_against_the_contract_never_reaches_the_runtime(
    bundle: Bundle, spoil: Callable[[Array], Array], found: str
) -> None:
    image, keys, values = step_inputs(bundle.dimensions)
    with pytest.raises(InputError, match=rf"segment: input image; expected float32 \[1, 3, 64, 96\]; found {found}"):
        ExecutorchEngine(bundle).segment(spoil(image), keys, values)


def test_outputs_are_in_c_order(bundle: Bundle) -> None:
    logits, query = ExecutorchEngine(bundle).segment(*step_inputs(bundle.dimensions))
    for array in (logits, query.key, query.feature16, query.feature8):
        assert array.flags.c_contiguous
        assert array.flags.writeable


# Threads


def test_another_number_of_threads_does_not_break_an_engine_that_is_open(bundle: Bundle) -> None:
    inputs = step_inputs(bundle.dimensions)
    first = ExecutorchEngine(bundle, threads=1)
    expected, _ = first.segment(*inputs)
    second = ExecutorchEngine(bundle, threads=2)
    for engine in (first, second, first):
        np.testing.assert_array_equal(engine.segment(*inputs)[0], expected)
    third = ExecutorchEngine(bundle, threads=1)
    for engine in (second, third, first):
        np.testing.assert_array_equal(engine.segment(*inputs)[0], expected)


def test_opening_an_engine_leaves_nothing_on_the_terminal(bundle: Bundle, capfd: pytest.CaptureFixture[str]) -> None:
    ExecutorchEngine(bundle, threads=2).segment(*step_inputs(bundle.dimensions))
    ExecutorchEngine(bundle, threads=1).segment(*step_inputs(bundle.dimensions))
    assert capfd.readouterr() == ("", "")


# Programs with the right SHA-256


def test_a_bundle_for_another_runtime(bundle: Bundle) -> None:
    other = dataclasses.replace(bundle, manifest=bundle.manifest | {"target": "litert"})
    with pytest.raises(InputError, match="for another runtime; expected executorch; found litert"):
        ExecutorchEngine(other)


@pytest.mark.parametrize(
    "head", [b"", b"\x00" * 7, b"\x00" * 8, b"\x10\x00\x00\x00ET13", b"\x10\x00\x00\x00\xff\xfe\xfd\xfc"]
)
def test_the_identifier_is_checked_before_the_runtime_sees_a_file(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "x.pte").write_bytes(head)
    with pytest.raises(InputError, match=r"x\.pte is not an ExecuTorch program; expected the identifier ET12"):
        check_identifier(tmp_path / "x.pte")


def test_a_program_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*x\.pte; found No such file"):
        check_identifier(tmp_path / "x.pte")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        pytest.param(lambda p: p[:8], "not a readable program", id="only the identifier"),
        pytest.param(lambda p: p[: len(p) // 2], "not a readable program; found .*File size is too small", id="half"),
        pytest.param(lambda p: p[:-1], "not a readable program", id="all but a byte"),
        pytest.param(lambda p: p[:8] + bytes(len(p) - 8), "not a readable program", id="zeros"),
        pytest.param(lambda p: p[:8] + bytes(range(256)) * 40, "not a readable program", id="noise"),
        pytest.param(
            lambda p: p[:17] + bytes([p[17] ^ 64]) + p[18:], "not a readable program", id="a bit of the header"
        ),
        pytest.param(
            lambda p: p.replace(b"segment\0", b"segmemt\0"),
            r"no method 'segment' for segment; found .*No method named 'segment'",
            id="a method missing",
        ),
        pytest.param(
            lambda p: p.replace(b"XnnpackBackend", b"XnnpackBackenb"), "cannot be loaded", id="no such delegate"
        ),
    ],
)
def test_a_broken_program_with_the_right_checksum(copy: Path, damage: Callable[[bytes], bytes], words: str) -> None:
    content = (copy / PROGRAM).read_bytes()
    damaged = damage(content)
    assert damaged != content
    seal(copy, damaged)
    with pytest.raises(InputError, match=words) as caught:
        ExecutorchEngine(Bundle.open(copy))
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(("ET12", "export the bundle again"))


@pytest.mark.parametrize("change", [{"height": 80}, {"memory_frames": 3}, {"objects": 2}, {"value_channels": 32}])
def test_a_program_of_other_shapes_than_its_manifest(copy: Path, change: dict[str, int]) -> None:
    manifest = json.loads((copy / MANIFEST).read_text())
    d = dataclasses.replace(Bundle.open(copy).dimensions, **change)
    for name, table in component_table(d).items():
        manifest["components"][name] |= table
    manifest["input"]["height"], manifest["objects"] = d.height, d.objects
    manifest["memory"] |= {"frames": d.memory_frames, "value_channels": d.value_channels}
    (copy / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"does not follow the contract of .*; expected .*; found .*x64"):
        ExecutorchEngine(Bundle.open(copy))


def test_a_method_of_another_component(copy: Path) -> None:
    manifest = json.loads((copy / MANIFEST).read_text())
    manifest["components"]["decode"]["method"] = "read_memory"
    (copy / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="method 'read_memory' does not follow the contract of decode"):
        ExecutorchEngine(Bundle.open(copy))


# The whole command, in a process of its own: a runtime that aborts would take this one with it


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        pytest.param(lambda p: p[: len(p) // 2], "is not a readable program", id="truncated"),
        pytest.param(lambda p: p[:4] + b"\xff\xfe\xfd\xfc" + p[8:], "is not an ExecuTorch program", id="identifier"),
        pytest.param(lambda p: np.random.default_rng(0).bytes(4096), "is not an ExecuTorch program", id="no program"),
    ],
)
@pytest.mark.parametrize("sealed", [False, True], ids=["checksum differs", "checksum made to fit"])
def test_the_command_survives_a_broken_program(
    copy: Path, tmp_path: Path, damage: Callable[[bytes], bytes], words: str, sealed: bool
) -> None:
    clip = SyntheticClip(0, 2, (64, 96))
    with VideoWriter(tmp_path / "clip.mp4", (64, 96), 25) as writer:
        for frame in clip:
            writer.write(frame)
    write_mask(tmp_path / "first.png", clip.mask(0))
    content = damage((copy / PROGRAM).read_bytes())
    (copy / PROGRAM).write_bytes(content)
    if sealed:
        seal(copy, content)
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "mobilevos", "segment", tmp_path / "clip.mp4", "--mask", tmp_path / "first.png"),
            *("--engine", "executorch", "--bundle", copy, "--masks", tmp_path / "masks"),
        ],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 2, finished
    assert finished.stderr.count("\n") == 1
    assert (words if sealed else "is damaged or was exchanged") in finished.stderr
    assert not (tmp_path / "masks").exists()
