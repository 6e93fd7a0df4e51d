"""pytest-benchmark cases: every component and the whole step, every engine, at 480x864 with one object.

`pytest benchmarks` runs them, with `--benchmark-autosave` and `--benchmark-compare` for regression
tracking; a plain test run does not collect them. `MOBILEVOS_BENCHMARK_SIZE` sets another size.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.bundles import ensure_bundle
from export.activations import Activations, record_activations
from mobilevos.data.synthetic import SyntheticClip
from mobilevos.engines import BUNDLE_ENGINES, Engine, Query, engine_class, open_engine
from mobilevos.frame_size import parse_size
from mobilevos.model.checkpoint import load_network
from mobilevos.tracking import Tracker
from mobilevos.weights import default_checkpoint

THREADS = 2
SIZE = parse_size(os.environ.get("MOBILEVOS_BENCHMARK_SIZE", "480x864"))
FOLDER = Path(__file__).resolve().parents[1] / "build" / "benchmarks"

Call = Callable[[Engine, Activations], object]


def encode_query(engine: Engine, activations: Activations) -> object:
    return engine.encode_query(*activations["encode_query"][0])


def encode_memory(engine: Engine, activations: Activations) -> object:
    key, feature16, feature8, masks, others = activations["encode_memory"][0]
    return engine.encode_memory(Query(key, feature16, feature8, None), masks, others)


def read_memory(engine: Engine, activations: Activations) -> object:
    key, keys, values = activations["read_memory"][0]
    return engine.read_memory(Query(key, key, key, None), keys, values)


def decode(engine: Engine, activations: Activations) -> object:
    readout, feature16, feature8, feature4 = activations["decode"][0]
    return engine.decode(readout, Query(feature16, feature16, feature8, feature4))


def segment(engine: Engine, activations: Activations) -> object:
    return engine.segment(*activations["segment"][0])


@pytest.fixture(scope="module")
def checkpoint() -> Path:
    return default_checkpoint()


def _engines() -> Iterator[Any]:
    yield "eager"
    for name in BUNDLE_ENGINES:
        extra = engine_class(name).runtime.extra
        yield pytest.param(name, marks=[getattr(pytest.mark, extra)] if extra else [])


@pytest.fixture(scope="module", params=_engines())
def engine(request: pytest.FixtureRequest, checkpoint: Path) -> Engine:
    if request.param == "eager":
        return open_engine("eager", threads=THREADS)
    target = engine_class(request.param).runtime.target
    bundle, _ = ensure_bundle(FOLDER / target, checkpoint, SIZE, objects=1, target=target)
    return open_engine(request.param, bundle=bundle.folder, threads=THREADS, isolated=False)


@pytest.fixture(scope="module")
def activations(checkpoint: Path) -> Activations:
    dimensions = load_network(checkpoint).dimensions(*SIZE, memory_frames=2, objects=1)
    return record_activations(open_engine("eager", threads=THREADS), dimensions)


@pytest.mark.parametrize("call", [encode_query, encode_memory, read_memory, decode, segment])
def test_component(benchmark: BenchmarkFixture, engine: Engine, activations: Activations, call: Call) -> None:
    benchmark.group = call.__name__
    benchmark.pedantic(call, (engine, activations), rounds=20, warmup_rounds=2)  # type: ignore[no-untyped-call]


def test_whole_step(benchmark: BenchmarkFixture, engine: Engine) -> None:
    """A step of the tracker, memorising one frame in five: pixels in, labels out."""
    clip = SyntheticClip(0, length=30, size=SIZE, objects=1)
    tracker = Tracker(engine)
    tracker.step(clip.frame(0), clip.mask(0))
    frames = iter([clip.frame(t) for t in range(1, len(clip))])
    benchmark.group = "whole step"
    benchmark.pedantic(lambda: tracker.step(next(frames)).labels, rounds=25, warmup_rounds=2)  # type: ignore[no-untyped-call]
