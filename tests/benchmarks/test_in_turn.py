import numpy as np
import pytest

from benchmarks.in_turn import Contestant, SingleComponents, track_in_turn
from mobilevos.data.synthetic import SyntheticClip
from mobilevos.engines import TimedEngine
from mobilevos.engines.eager import EagerEngine
from mobilevos.model.variants import build_network


@pytest.fixture(scope="module")
def engine() -> EagerEngine:
    return EagerEngine(build_network("mobilenet_v2"))


@pytest.fixture(scope="module")
def clip() -> SyntheticClip:
    return SyntheticClip(0, length=7, size=(48, 64), objects=1)


def test_every_engine_sees_every_frame_and_is_timed(engine: EagerEngine, clip: SyntheticClip) -> None:
    contestants = [Contestant(TimedEngine(engine)), Contestant(TimedEngine(engine))]
    steps = list(track_in_turn(contestants, clip, clip.mask(0)))
    assert len(steps) == len(clip)
    for t, (frame, labels) in enumerate(steps):
        assert np.array_equal(frame, clip.frame(t))
        assert np.array_equal(labels[0], labels[1])
    assert np.array_equal(steps[0][1][0], clip.mask(0))
    assert all(len(contestant.step_ms) == len(clip) for contestant in contestants)


def test_single_components_are_called_alone_and_give_the_same_masks(engine: EagerEngine, clip: SyntheticClip) -> None:
    fused, single = Contestant(TimedEngine(engine)), Contestant(SingleComponents(engine))
    for _, (one, other) in track_in_turn([fused, single], clip, clip.mask(0)):
        assert np.array_equal(one, other)
    assert {name: len(times) for name, times in fused.engine.timings.items()} == {
        "encode_query": 1,
        "encode_memory": 2,
        "read_memory": 0,
        "decode": 0,
        "segment": 6,
    }
    assert {name: len(times) for name, times in single.engine.timings.items()} == {
        "encode_query": 7,
        "encode_memory": 2,
        "read_memory": 6,
        "decode": 6,
        "segment": 0,
    }
