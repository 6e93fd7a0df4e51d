"""A bundle in a process of its own gives the same numbers, and whatever ends that process is one line here."""

from __future__ import annotations

import gc
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from export.targets import TARGETS
from mobilevos.bundle import MANIFEST, Bundle
from mobilevos.contract import signature
from mobilevos.data.synthetic import SyntheticClip
from mobilevos.engines import engine_class, open_engine
from mobilevos.engines.engine import Array
from mobilevos.engines.engine_process import EngineProcess
from mobilevos.errors import InputError
from mobilevos.tracking import Tracker


def targets() -> Iterator[Any]:
    for name, target in TARGETS.items():
        yield pytest.param(name, marks=[getattr(pytest.mark, target.extra)] if target.extra else [])


@pytest.fixture
def copy(bundle_of: Callable[[str], Path], tmp_path: Path) -> Path:
    """A TorchScript bundle that may be damaged."""
    return Path(shutil.copytree(bundle_of("torchscript"), tmp_path / "bundle"))


def exchange(folder: Path, name: str, content: bytes) -> None:
    """Replaces a file and makes the manifest agree, as an attacker would."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def step_inputs(bundle: Bundle) -> list[Array]:
    generator = np.random.default_rng(0)
    return [generator.random(spec.shape, np.float32) for spec in signature("segment", bundle.dimensions).inputs]


@pytest.mark.parametrize("target", targets())
def test_a_clip_is_tracked_as_in_this_process(bundle_of: Callable[[str], Path], target: str) -> None:
    bundle, clip = Bundle.open(bundle_of(target)), SyntheticClip(3, 4, (57, 90), objects=2)
    tracks = []
    for isolated in (False, True):
        engine = engine_class(TARGETS[target].engine)(bundle, threads=1, isolated=isolated)
        tracker = Tracker(engine, memory_every=2)
        masks = {0: clip.mask(0)}
        tracks.append([tracker.step(frame, masks.get(t)).probabilities.copy() for t, frame in enumerate(clip)])
        assert engine.describe().get("isolated", False) == isolated
    np.testing.assert_array_equal(*tracks)


def test_a_refusal_is_the_same_line_in_either_process(copy: Path) -> None:
    exchange(copy, "decode.pt", b"no archive")
    lines = []
    for isolated in (False, True):
        with pytest.raises(InputError, match=r"decode\.pt is not a readable program") as caught:
            open_engine("torchscript", bundle=copy, isolated=isolated)
        lines.append(str(caught.value))
    assert lines[0] == lines[1]


@pytest.mark.executorch
def test_a_program_that_ends_its_process_is_one_line(small_bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(small_bundle, tmp_path / "bundle"))
    content = (folder / "mobilevos.pte").read_bytes()
    assert b"XH00" in content  # the identifier of XNNPACK's part, which the runtime's log quotes if it is another
    exchange(folder, "mobilevos.pte", content.replace(b"XH00", b"\xff\xfe\xfd\xfc"))
    with pytest.raises(InputError, match=r"bundle cannot be opened; found its process ended: SIGABRT") as caught:
        open_engine("executorch", bundle=folder)
    assert str(caught.value).isprintable()


def test_a_process_that_ends_between_two_steps_is_one_line_then_and_ever_after(copy: Path) -> None:
    before = set(psutil.Process().children())
    engine = open_engine("torchscript", bundle=copy, threads=1, isolated=True)
    (process,) = set(psutil.Process().children()) - before
    inputs = step_inputs(Bundle.open(copy))
    engine.segment(*inputs)
    process.terminate()
    for _ in range(2):
        with pytest.raises(InputError, match=r"bundle cannot run segment; found its process ended: SIGTERM"):
            engine.segment(*inputs)


def test_a_process_that_does_not_answer_in_time_is_ended(copy: Path) -> None:
    process = EngineProcess(seconds=0.01)
    with pytest.raises(InputError, match=r"SIGKILL, after 0\.01 s without an answer"):
        process.open("torchscript", copy)
    assert not process.alive


def test_a_process_that_wants_too_much_memory_ends_and_this_one_does_not(copy: Path) -> None:
    process = EngineProcess(memory=32 << 20)
    with pytest.raises(InputError, match="its process ended"):
        process.open("torchscript", copy)


def test_a_process_ends_with_its_engine(copy: Path) -> None:
    before = set(psutil.Process().children())
    engine = open_engine("torchscript", bundle=copy, isolated=True)
    (process,) = set(psutil.Process().children()) - before
    del engine
    gc.collect()
    assert not process.is_running()


def test_one_process_opens_one_bundle_after_another(copy: Path, bundle_of: Callable[[str], Path]) -> None:
    exchange(copy, "decode.pt", b"no archive")
    process, good = EngineProcess(), Bundle.open(bundle_of("torchscript"))
    with pytest.raises(InputError, match="not a readable program"):
        process.open("torchscript", copy)
    process.open("torchscript", good.folder, threads=1)
    logits, *_ = process.call(signature("segment", good.dimensions), 1, step_inputs(good))
    assert logits.shape == (1, 1, 64, 96)
