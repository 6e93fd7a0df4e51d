"""pytest-benchmark cases: every component and the whole step, eager and ExecuTorch, at 480x864 with one object.

`make benchmark` runs them; a plain test run does not collect them. `MOBILEVOS_BENCHMARK_SIZE` sets another size.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.bundles import ensure_bundle
from export.activations import Activations, record_activations
from export.executorch import parse_size
from mobilevos.bundle import Bundle
from mobilevos.data.synthetic import SyntheticClip
from mobilevos.engines import ENGINES, Engine, Query, open_engine
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


@pytest.fixture(scope="module")
def bundle(checkpoint: Path) -> Bundle:
    return ensure_bundle(FOLDER / "bundle", checkpoint, SIZE, objects=1)[0]


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.executorch) for name in ENGINES])
def engine(request: pytest.FixtureRequest, bundle: Bundle) -> Engine:
    return open_engine(request.param, bundle=None if request.param == "eager" else bundle.folder, threads=THREADS)


@pytest.fixture(scope="module")
def activations(bundle: Bundle) -> Activations:
    return record_activations(open_engine("eager", threads=THREADS), bundle.dimensions)


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
