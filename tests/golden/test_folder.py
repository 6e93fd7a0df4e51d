"""The folder `golden/`: another loop reproduces the trace from PNG, JSON and raw floats, and damage is one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mobilevos.bundle import Bundle
from mobilevos.contract import EMPTY_BIAS
from mobilevos.engines.engine import Array, Engine
from mobilevos.errors import InputError
from mobilevos.files import sha256_of
from mobilevos.golden import GoldenTrace, read_golden, read_trace_steps, write_golden

Floats = NDArray[np.float64]


@pytest.fixture(scope="session")
def original(bundle_of: Callable[[str], Path]) -> Path:
    """A bundle with a golden clip, of the target that needs no toolkit."""
    return bundle_of("torchscript")


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return shutil.copytree(original, tmp_path / "bundle")


def change_trace(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Changes the trace and makes its checksum fit."""
    path = folder / "golden" / "trace.json"
    trace = json.loads(path.read_text())
    change(trace)
    rewrite(folder, "golden/trace.json", json.dumps(trace).encode())


def rewrite(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = {"bytes": len(content), "sha256": sha256_of(folder / name)}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_golden(Bundle.open(folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Reading


def test_what_is_read_is_what_the_reference_did(original: Path, trace: GoldenTrace) -> None:
    read, tolerances = read_golden(Bundle.open(original))
    assert (tolerances.pixels, tolerances.iou) == (1000, 0.995)
    assert (read.engine, read.clip.seed, read.clip.memory_every) == ("eager-fp32", 0, 5)
    assert all(np.array_equal(a, b) for a, b in zip(read.clip.frames, trace.clip.frames, strict=True))
    assert all(np.array_equal(read.clip.given[t], trace.clip.given[t]) for t in (0, 10))
    for step, same in zip(read.steps, trace.steps, strict=True):
        assert step.writes == same.writes
        assert np.array_equal(step.labels, same.labels)
        for call, other in zip(step.calls, same.calls, strict=True):
            assert (call.component, call.group, call.ids) == (other.component, other.group, other.ids)
            assert {n: np.array_equal(t, other.tensors[n]) for n, t in call.tensors.items()} == dict.fromkeys(
                other.tensors, True
            )
            assert call.sums == other.sums


# Another loop


class PlainLoop:
    """The loop as another language would write it: from the folder's files, the manifest and five programs."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.folder, self.engine = folder / "golden", engine
        self.manifest = json.loads((folder / "manifest.json").read_text())
        self.trace = json.loads((self.folder / "trace.json").read_text())
        self.tensors = (self.folder / "tensors.f32").read_bytes()
        self.keys: dict[int, Array] = {}
        self.values: dict[int, Array] = {}
        self.probabilities: dict[int, Floats] = {}

    def step(self, entry: dict[str, Any]) -> NDArray[np.uint8]:
        """One frame as the trace tells it; what each call gives is checked on the way."""
        frame = np.asarray(Image.open(self.folder / entry["frame"]), np.float32)
        image = np.ascontiguousarray(frame.transpose(2, 0, 1)[None] / np.float32(255))
        logits: Array = np.zeros((0, 1, *image.shape[2:]), np.float32)
        ids: list[int] = []
        readouts: list[Array] = []
        for call in entry["calls"]:
            match call["component"]:
                case "encode_query":
                    query = self.engine.encode_query(image)
                    self.check(call, key=query.key.mean((0, 2, 3)))
                    assert call["sums"]["image"] == pytest.approx([image.sum(dtype=np.float64)])
                case "segment":
                    group, ids = call["group"], call["ids"]
                    logits, query = self.engine.segment(image, self.keys[group], self.values[group])
                    self.check(call, logits=logits[:, 0, ::16, ::16], key=query.key.mean((0, 2, 3)))
                case "read_memory":
                    group = call["group"]
                    readouts.append(self.engine.read_memory(query, self.keys[group], self.values[group]))
                    self.check(call, readout=readouts[-1].mean((2, 3)))
                case "decode":
                    ids = call["ids"]
                    logits = self.engine.decode(np.concatenate(readouts), query)
                    self.check(call, logits=logits[:, 0, ::16, ::16])
                case "encode_memory":
                    self.aggregate(ids, logits, entry["given"])
                    self.memorise(call, query, entry["writes"])
        if entry["calls"][-1]["component"] != "encode_memory":
            self.aggregate(ids, logits, None)
        planes = np.stack([self.probabilities[object_id] for object_id in sorted(self.probabilities)])
        return planes.argmax(0).astype(np.uint8)  # of ids without gaps

    def aggregate(self, ids: list[int], logits: Array, given: str | None) -> None:
        """Equation 6 of STM in float64, and the given mask over it."""
        objects = 1 / (1 + np.exp(-logits[:, 0].astype(np.float64)))
        planes = [np.prod(1 - objects, axis=0), *objects]
        odds = np.stack([plane / (1 - plane) if ids else np.ones_like(plane) for plane in planes])
        odds /= odds.sum(0)
        self.probabilities = dict(zip([0, *ids], odds, strict=True))
        if given is not None:
            labels = np.asarray(Image.open(self.folder / given))
            for plane in self.probabilities.values():
                plane[labels > 0] = 0
            self.probabilities |= {int(i): (labels == i).astype(np.float64) for i in np.unique(labels) if i}

    def memorise(self, call: dict[str, Any], query: Any, writes: list[dict[str, Any]]) -> None:
        masks = np.stack([self.probabilities[i] for i in call["ids"]])[:, None].astype(np.float32)
        others = masks.sum(0) - masks
        assert call["sums"]["masks"] == pytest.approx(masks.sum((1, 2, 3)).tolist(), abs=0.1)
        assert call["sums"]["others"] == pytest.approx(others.sum((1, 2, 3)).tolist(), abs=0.1)
        key, value = self.engine.encode_memory(query, masks, others)
        self.check(call, memory_key=key.mean(0), memory_value=value.mean(1))
        frames = self.manifest["memory"]["frames"]
        for write in writes:
            group, rows = write["group"], slice(write["slot"] * len(key), (write["slot"] + 1) * len(key))
            if group not in self.keys:
                self.keys[group] = np.zeros((frames * len(key), key.shape[1]), np.float32)
                self.keys[group][:, -1] = EMPTY_BIAS
                self.values[group] = np.zeros((len(write["ids"]), frames * len(key), value.shape[2]), np.float32)
            self.keys[group][rows] = key
            self.values[group][:, rows] = value[[call["ids"].index(object_id) for object_id in write["ids"]]]

    def check(self, call: dict[str, Any], **found: Array) -> None:
        assert {one["name"] for one in call["tensors"]} == set(found)
        for one in call["tensors"]:
            expected = np.frombuffer(self.tensors, "<f4", int(np.prod(one["shape"])), one["offset"])
            assert found[one["name"]].shape == tuple(one["shape"])
            np.testing.assert_allclose(found[one["name"]].ravel(), expected, atol=2e-4)


def test_a_loop_that_knows_the_files_alone_reproduces_every_step(original: Path, eager: Engine) -> None:
    loop = PlainLoop(original, eager)
    for entry in loop.trace["steps"]:
        labels = loop.step(entry)
        expected = np.asarray(Image.open(loop.folder / entry["mask"]))
        assert (labels != expected).mean() < 2e-3, entry["mask"]


def test_what_another_loop_wrote_is_read_in_the_same_way(trace: GoldenTrace, tmp_path: Path) -> None:
    write_golden(tmp_path, trace)
    masks = [step.labels for step in trace.steps]
    for step, same in zip(read_trace_steps(tmp_path / "golden", masks), trace.steps, strict=True):
        assert step.writes == same.writes
        assert [(call.component, call.ids, call.sums) for call in step.calls] == [
            (call.component, call.ids, call.sums) for call in same.calls
        ]
    with pytest.raises(InputError, match="is of another clip; expected 29 steps; found 30"):
        read_trace_steps(tmp_path / "golden", masks[1:])


# What is damaged


def test_a_bundle_without_a_golden_clip(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["golden"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert refusal(folder).endswith("has no golden clip; export the bundle again")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda trace: trace.update(schema=2), r"not a golden trace; found \$.schema"),
        (lambda trace: trace["steps"].clear(), "not a golden trace"),
        (lambda trace: trace["steps"][0]["calls"][0].update(component="format_disk"), "not a golden trace"),
        (lambda trace: trace["steps"][3].update(frame="../../secret.png"), "unlisted file"),
        (lambda trace: trace["steps"][3].update(mask="masks/99999.png"), "unlisted file"),
        (lambda trace: trace["steps"][0]["calls"][0]["tensors"][0].update(offset=10**12), "lies outside its file"),
        (lambda trace: trace["steps"][0]["calls"][0]["tensors"][0].update(shape=[65536] * 3), "lies outside its file"),
        (lambda trace: trace["steps"][0].update(frame="tensors.f32"), "cannot read image"),
    ],
)
def test_a_trace_that_says_nonsense(folder: Path, change: Callable[[dict[str, Any]], Any], words: str) -> None:
    change_trace(folder, change)
    with pytest.raises(InputError, match=words):
        read_golden(Bundle.open(folder))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_trace_that_is_no_json(folder: Path, content: bytes) -> None:
    rewrite(folder, "golden/trace.json", content)
    assert "trace.json is not" in refusal(folder)


def test_an_image_of_another_size(folder: Path) -> None:
    Image.new("RGB", (16, 16)).save(folder / "small.png")
    rewrite(folder, "golden/clip/00004.png", (folder / "small.png").read_bytes())
    assert "not of the bundle's frame size; expected 64x96; found 16x16" in refusal(folder)


def test_a_file_of_the_clip_is_guarded_like_every_other(folder: Path) -> None:
    (folder / "golden" / "tensors.f32").write_bytes(b"\0" * 4)
    with pytest.raises(InputError, match=r"tensors\.f32 is damaged or was exchanged"):
        Bundle.open(folder)
