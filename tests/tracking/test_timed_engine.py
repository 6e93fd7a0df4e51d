"""A timed engine gives the same masks as the bare one, and milliseconds."""

import time

import numpy as np
import pytest

from mobilevos.engines.timed import TimedEngine
from mobilevos.tracking import Tracker


def test_it_answers_as_the_engine_inside(colour_engine, paint):
    bare, timed = Tracker(colour_engine()), Tracker(TimedEngine(colour_engine()))
    for t in range(7):
        frame, mask = paint({1: (t % 3, 0), 2: (0, 1 + t % 3)})
        given = np.where(mask == t + 1, mask, 0) if t < 2 else None
        expected, result = bare.step(frame, given), timed.step(frame, given)
        np.testing.assert_array_equal(result.probabilities, expected.probabilities)
    assert timed.ids == (1, 2)


def test_it_describes_the_engine_inside(colour_engine):
    engine = colour_engine(objects=3)
    assert TimedEngine(engine).info == engine.info
    assert TimedEngine(engine).describe() == engine.describe()


def test_each_call_is_recorded_under_its_component(colour_engine, paint):
    engine = colour_engine()
    timed = TimedEngine(engine)
    tracker = Tracker(timed, memory_every=2)
    frame, mask = paint({1: (0, 0), 2: (1, 1)})
    for given in (np.where(mask == 1, 1, 0), None, np.where(mask == 2, 2, 0), None):
        tracker.step(frame, given)
    assert {component: len(times) for component, times in timed.timings.items()} == {
        component: engine.calls.count(component) for component in timed.timings
    }
    assert min(len(times) for times in timed.timings.values()) > 0


def test_times_are_milliseconds(colour_engine, paint, monkeypatch):
    engine = colour_engine()
    inner = engine.encode_query
    monkeypatch.setattr(engine, "encode_query", lambda image: (time.sleep(0.02), inner(image))[1])
    timed = TimedEngine(engine)
    Tracker(timed).step(*paint({1: (0, 0)}))
    assert 20 <= timed.timings["encode_query"][0] < 2000


def test_the_summary_gives_percentiles_and_leaves_the_warm_up_out(colour_engine):
    timed = TimedEngine(colour_engine())
    timed.timings["decode"] = [1000.0, *map(float, range(1, 102))]
    timed.timings["segment"] = [3.0]
    summary = timed.summary(warm_up=1)
    assert set(summary) == {"decode"}
    decode = summary["decode"]
    assert (decode.calls, decode.mean, decode.p50, decode.p90, decode.p99) == pytest.approx((101, 51, 51, 91, 100))
    assert timed.summary()["segment"].p50 == 3
