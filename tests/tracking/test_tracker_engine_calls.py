"""What the tracker asks of an engine: which components, how often, and with what in memory."""

import gc
import tracemalloc

import numpy as np
import pytest

from mobilevos.errors import InputError
from mobilevos.tracking import UNBOUNDED, MemoryPolicy, Tracker


def test_one_group_takes_the_fused_program(colour_engine, paint):
    engine = colour_engine()
    tracker = Tracker(engine, memory_every=2)
    frame, mask = paint({1: (0, 0), 2: (1, 1)})
    tracker.step(frame, mask)
    for _ in range(3):
        tracker.step(frame)
    assert engine.calls == ["encode_query", "encode_memory", "segment", "segment", "encode_memory", "segment"]


def test_several_groups_share_one_query_and_one_decode(colour_engine, paint):
    engine = colour_engine()
    tracker = Tracker(engine)
    frame, mask = paint({1: (0, 0), 2: (1, 1)})
    tracker.step(frame, np.where(mask == 1, 1, 0))
    tracker.step(frame, np.where(mask == 2, 2, 0))
    engine.calls.clear()
    tracker.step(frame)
    assert engine.calls == ["encode_query", "read_memory", "read_memory", "decode"]


@pytest.mark.parametrize(("limit", "fused"), [(None, True), (3, True), (2, True), (1, False)])
def test_the_fused_program_is_taken_only_where_it_takes_every_object(colour_engine, paint, limit, fused):
    engine = colour_engine(objects=limit)
    tracker = Tracker(engine)
    frame, mask = paint({1: (0, 0), 2: (1, 1)})
    tracker.step(frame, mask)
    tracker.step(frame)
    assert ("segment" in engine.calls) == fused


def test_a_frame_whose_objects_are_all_given_is_not_predicted(colour_engine, paint):
    engine = colour_engine()
    tracker = Tracker(engine)
    for _ in range(2):
        tracker.step(*paint({1: (0, 0)}))
    assert engine.calls == ["encode_query", "encode_memory"] * 2


def test_every_nth_frame_since_the_first_mask_is_memorised_and_each_given_one(colour_engine, paint):
    engine = colour_engine()
    tracker = Tracker(engine, memory_every=5)
    frame, mask = paint({1: (0, 0)})
    memorised = []
    for index in range(20):
        tracker.step(frame, mask if index in (3, 10) else None)
        if len(engine.memorised) > len(memorised):
            memorised.append(index)
    assert memorised == [3, 8, 10, 13, 18]


def test_the_count_goes_on_while_there_are_no_objects(colour_engine, paint):
    engine = colour_engine()
    tracker = Tracker(engine, memory_every=4)
    frame, mask = paint({1: (0, 0)})
    tracker.step(frame, mask)
    tracker.remove(1)
    for _ in range(2):
        tracker.step(frame)
    tracker.step(frame, mask)  # t = 3
    tracker.step(frame)  # t = 4, memorised
    assert len(engine.memorised) == 3


def test_given_masks_are_memorised_as_they_are_and_predictions_softly(colour_engine, paint):
    engine = colour_engine()
    tracker = Tracker(engine, memory_every=1)
    frame, mask = (picture[:40] for picture in paint({3: (0, 0), 8: (1, 1)}))
    tracker.step(frame, mask)
    prediction = tracker.step(frame)
    (given, given_others), (soft, _) = engine.memorised
    np.testing.assert_array_equal(given[:, 0, :40], np.stack([mask == 3, mask == 8]))
    np.testing.assert_array_equal(given_others[:, 0, :40], np.stack([mask == 8, mask == 3]))
    assert not given[:, :, 40:].any()
    np.testing.assert_array_equal(soft[:, 0, :40], prediction.probabilities[1:])


@pytest.mark.parametrize("memory_frames", [2, 3, 6])
def test_an_engine_of_fixed_capacity_gets_exactly_that_and_the_same_result(colour_engine, paint, memory_frames):
    free, fixed = Tracker(colour_engine()), Tracker(colour_engine(memory_frames=memory_frames))
    for t in range(12):
        frame, mask = paint({1: (t % 3, 0), 2: (0, 1 + t % 3)})
        given = mask if t == 0 else None
        np.testing.assert_allclose(
            free.step(frame, given).probabilities, fixed.step(frame, given).probabilities, atol=1e-6
        )


@pytest.mark.parametrize("policy", [MemoryPolicy(2), UNBOUNDED])
def test_an_engine_of_too_small_a_capacity_is_refused_at_once(colour_engine, policy):
    with pytest.raises(InputError, match="memory policy does not fit"):
        Tracker(colour_engine(memory_frames=2), policy=policy)


@pytest.mark.parametrize("policy", [MemoryPolicy(1), MemoryPolicy(4)])
def test_memory_stays_flat_over_a_thousand_frames(colour_engine, paint, policy):
    engine = colour_engine()
    tracker = Tracker(engine, policy=policy)
    frames = [paint({1: (t % 2, 0), 2: (t % 2, 1)}, size=(2, 2))[0] for t in range(4)]
    tracker.step(*paint({1: (0, 0), 2: (0, 1)}, size=(2, 2)))
    tracemalloc.start()
    for t in range(1000):
        tracker.step(frames[t % 4])
        engine.images.clear()
        engine.memorised.clear()
        engine.calls.clear()
        if t == 100:
            gc.collect()
            before, _ = tracemalloc.get_traced_memory()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(engine.banks) == 1  # one pair of buffers, of one size, at one address
    assert after - before < 4096  # less than one plane of this 32x32 video
