"""A student with random weights, one export of it at a tiny size, and records and results of known numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from benchmarks.clip_folder import ClipFolder
    from benchmarks.results import Result
    from benchmarks.run_record import RunRecord

SIZE = (64, 96)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student that never learnt anything: its masks are poor, and always the same."""
    from mobilevos.model.checkpoint import save_network
    from mobilevos.model.variants import build_network

    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_network(build_network("mobilenet_v2", seed=0), path, provenance={"made": "for tests"}, precision="fp16")
    return path


@pytest.fixture(scope="session")
def output(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of outputs whose `bundle/` was exported for one object and frames of 64x96."""
    from benchmarks.bundles import ensure_bundle

    folder = tmp_path_factory.mktemp("output")
    _, reused = ensure_bundle(folder / "bundle", checkpoint, SIZE, objects=1)
    assert not reused
    return folder


@pytest.fixture(scope="session")
def raw_clip(tmp_path_factory: pytest.TempPathFactory) -> ClipFolder:
    """A synthetic clip of eight frames of 64x96 with one object, as raw pixels."""
    from benchmarks.clip_folder import write_clip
    from benchmarks.clips import synthetic_clip

    clip = synthetic_clip(8, SIZE, objects=1)
    return write_clip(tmp_path_factory.mktemp("raw") / "clip", clip.frames, {0: clip.first_mask})


@pytest.fixture(scope="session")
def small_davis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root as DAVIS 2016's, of two sequences in four frames of 64x96 each."""
    from mobilevos.data.masks import write_mask
    from mobilevos.data.synthetic import SyntheticClip

    root, names = tmp_path_factory.mktemp("davis"), ("dog", "libby")
    for seed, name in enumerate(names):
        clip = SyntheticClip(seed, length=4, size=SIZE, objects=1)
        for kind in ("JPEGImages", "Annotations"):
            (root / kind / "480p" / name).mkdir(parents=True)
        for index, frame in enumerate(clip):
            Image.fromarray(frame).save(root / "JPEGImages" / "480p" / name / f"{index:05d}.jpg")
            write_mask(root / "Annotations" / "480p" / name / f"{index:05d}.png", clip.mask(index))
    (root / "ImageSets" / "2016").mkdir(parents=True)
    (root / "ImageSets" / "2016" / "val.txt").write_text("".join(f"{name}\n" for name in names))
    return root


@pytest.fixture(scope="session")
def make_record() -> Callable[..., RunRecord]:
    """Makes a run record of given step times; the first `warm_up` are the warm-up's."""
    from benchmarks.run_record import RunRecord, Step

    def make(step_ms: Sequence[float], *, frames: int = 10, warm_up: int = 0, rss: int = 50_000_000) -> RunRecord:
        steps = []
        for place, milliseconds in enumerate(step_ms):
            lap, frame = divmod(place, frames)
            components = {"segment": 0.8 * milliseconds} if frame else {"encode_query": 0.8 * milliseconds}
            if frame % 5 == 0:
                components["encode_memory"] = 2.0
            steps.append(Step(frame, lap, place < warm_up, milliseconds, components, rss + place, None))
        facts = {"versions": {"torch": "2"}, "threads": 1, "affinity": [0], "load_ms": 12.0}
        sizes = {"height": 64, "width": 96, "frames": frames, "memory_every": 5, "objects": 1}
        peaks = {"peak_rss_bytes": rss + len(step_ms), "peak_pss_bytes": None}
        return RunRecord("eager", "fp32", None, **facts, **sizes, steps=steps, **peaks, torch_loaded=True)

    return make


@pytest.fixture(scope="session")
def make_result(make_record: Callable[..., RunRecord]) -> Callable[..., Result]:
    """Makes a row of given step times and ratios, evaluated as a run's is, without masks."""
    from benchmarks.clips import synthetic_clip
    from benchmarks.evaluation import RunFacts, evaluate
    from benchmarks.host import Measured
    from benchmarks.jobs import Job, Workload
    from benchmarks.protocol import QUICK
    from benchmarks.results import ClipFacts
    from mobilevos.weights import default_checkpoint

    gmacs = {"encode_query": 1.7, "encode_memory": 2.0, "read_memory": 0.8, "decode": 0.5, "segment": 3.0}

    def make(
        target: str = "eager", step_ms: Sequence[float] = (100.0,) * 200, ratio: Sequence[float] = (), **facts: Any
    ) -> Result:
        record = make_record(step_ms, warm_up=10)
        job = Job(target, "fp32", Workload(SIZE), default_checkpoint(), None, 4_000_000)
        masks = np.zeros((10, *SIZE), np.uint8)
        measured = Measured(job, record, record, masks, tuple(ratio))
        clip = synthetic_clip(10, SIZE, objects=1)
        shared = RunFacts(
            device="host",
            threads=2,
            clip=ClipFacts("synthetic", 1, 10, *SIZE, 1, 2, 5),
            protocol=QUICK,
            interleaved_with=("eager-fp32", f"{target}-fp32"),
            gmacs=gmacs,
            limit_gflops=200.0,
            provenance={"commit": "c" * 40, "machine": {"processor": "a processor"}, "time": "2026-01-01T00:00:00"},
        )
        return replace(evaluate([measured], [clip], [masks], shared), **facts)

    return make
