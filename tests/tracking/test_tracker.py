"""The tracking loop follows objects that appear, leave, return, are given again and are removed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilevos.tracking import UNBOUNDED, MemoryPolicy, Tracker

POLICIES = [MemoryPolicy(1), MemoryPolicy(3), UNBOUNDED]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_moving_object_is_followed(colour_engine, paint, policy):
    tracker = Tracker(colour_engine(), policy=policy)
    for t in range(12):
        frame, mask = paint({1: (t % 3, t % 4)})
        np.testing.assert_array_equal(tracker.step(frame, mask if t == 0 else None).labels, mask)


@settings(deadline=None)
@given(ids=st.lists(st.integers(1, 65535), min_size=1, max_size=6, unique=True))
def test_ids_are_arbitrary(colour_engine, paint, ids):
    tracker = Tracker(colour_engine())
    for t in range(3):
        frame, mask = paint({object_id: (t, place) for place, object_id in enumerate(ids)}, size=(3, 6))
        segmentation = tracker.step(frame, mask if t == 0 else None)
        assert segmentation.ids == tuple(sorted(ids))
        np.testing.assert_array_equal(segmentation.labels, mask)


@st.composite
def object_lives(draw):
    """For up to four objects with any ids: when each appears, and on which frames it is seen and given."""
    length = 12
    lives = {}
    for object_id in draw(st.lists(st.integers(1, 65535), min_size=1, max_size=4, unique=True)):
        birth = draw(st.integers(0, 6))
        seen = {birth} | draw(st.sets(st.integers(birth, length - 1)))
        again = draw(st.sets(st.sampled_from(sorted(seen)), max_size=2))
        lives[object_id] = (birth, seen, {birth} | again)
    return length, lives


@settings(max_examples=60, deadline=None)
@given(life=object_lives(), policy=st.sampled_from(POLICIES), memory_every=st.integers(1, 6))
def test_objects_appear_leave_return_and_are_given_again(colour_engine, paint, life, policy, memory_every):
    length, lives = life
    tracker = Tracker(colour_engine(), policy=policy, memory_every=memory_every)
    for t in range(length):
        places = {
            object_id: (row, (t * (row + 1)) % 4)
            for row, (object_id, (_, seen, _)) in enumerate(lives.items())
            if t in seen
        }
        frame, truth = paint(places, size=(4, 4), order=tuple(lives))
        given_ids = [object_id for object_id, (_, _, frames) in lives.items() if t in frames]
        mask = np.where(np.isin(truth, given_ids), truth, 0) if given_ids else None
        segmentation = tracker.step(frame, mask)
        assert set(segmentation.ids) == {object_id for object_id, (birth, _, _) in lives.items() if birth <= t}
        np.testing.assert_array_equal(segmentation.labels, truth)
        np.testing.assert_allclose(segmentation.probabilities.sum(axis=0), 1, atol=1e-5)


def test_an_object_that_left_is_still_tracked(colour_engine, paint):
    tracker = Tracker(colour_engine(), memory_every=1)
    tracker.step(*paint({7: (0, 0)}))
    for _ in range(10):
        gone = tracker.step(paint({})[0])
        assert gone.ids == (7,)
        assert not gone.labels.any()
    frame, mask = paint({7: (2, 3)})
    np.testing.assert_array_equal(tracker.step(frame).labels, mask)


def test_where_a_mask_is_given_for_every_object_the_output_is_the_mask(colour_engine, paint):
    tracker = Tracker(colour_engine())
    tracker.step(*paint({1: (0, 0), 2: (1, 1)}))
    frame, _ = paint({1: (0, 0), 2: (1, 1)})
    correction = np.zeros(frame.shape[:2], np.uint8)
    correction[3:9, 20:30] = 1
    correction[20:22, 5:6] = 2
    segmentation = tracker.step(frame, correction)
    np.testing.assert_array_equal(segmentation.labels, correction)
    assert set(np.unique(segmentation.probabilities)) == {0, 1}


def test_a_mask_for_one_object_leaves_the_others_their_prediction(colour_engine, paint):
    tracker = Tracker(colour_engine())
    frame, mask = paint({1: (0, 0), 2: (1, 1)})
    tracker.step(frame, mask)
    correction = np.zeros_like(mask)
    correction[16:24, 16:32] = 1  # the upper half of what is object 2
    labels = tracker.step(frame, correction).labels
    expected = np.where(mask == 2, 2, 0)
    expected[16:24, 16:32] = 1
    np.testing.assert_array_equal(labels, expected)


def test_a_later_mask_without_objects_says_nothing(colour_engine, paint):
    tracker, engine = Tracker(colour_engine()), colour_engine()
    bare = Tracker(engine)
    frame, mask = paint({1: (0, 0)})
    for each in (tracker, bare):
        each.step(frame, mask)
    with_empty, without = tracker.step(frame, np.zeros_like(mask)), bare.step(frame)
    np.testing.assert_array_equal(with_empty.probabilities, without.probabilities)
    assert engine.calls.count("encode_memory") == 1


def test_frames_before_the_first_object_are_background(colour_engine, paint):
    engine = colour_engine()
    segmentation = Tracker(engine).step(paint({})[0])
    assert segmentation.ids == ()
    np.testing.assert_array_equal(segmentation.probabilities, np.ones((1, 48, 64)))
    assert segmentation.labels.shape == (48, 64)
    assert engine.calls == []


@pytest.mark.parametrize("removed", [5, 6, 9])
def test_a_removed_object_is_forgotten_and_the_others_stay(colour_engine, paint, removed):
    tracker = Tracker(colour_engine(), memory_every=1)
    frame, mask = paint({5: (0, 0), 6: (1, 1), 9: (2, 2)})
    tracker.step(frame, np.where(mask == 9, 0, mask))
    tracker.step(frame, np.where(mask == 9, 9, 0))
    tracker.remove(removed)
    for _ in range(3):
        labels = tracker.step(frame).labels
        np.testing.assert_array_equal(labels, np.where(mask == removed, 0, mask))
    assert set(tracker.ids) == {5, 6, 9} - {removed}


def test_a_video_goes_on_after_its_last_object_was_removed(colour_engine, paint):
    engine = colour_engine()
    tracker = Tracker(engine)
    frame, mask = paint({5: (0, 0), 6: (1, 1)})
    tracker.step(frame, mask)
    tracker.remove(6)
    tracker.remove(5)
    engine.calls.clear()
    assert tracker.step(frame).ids == ()
    assert engine.calls == []
    np.testing.assert_array_equal(tracker.step(frame, mask).labels, mask)


def test_reset_makes_the_tracker_new(colour_engine, paint):
    tracker = Tracker(colour_engine())
    tracker.step(*paint({1: (0, 0)}))
    tracker.reset()
    frame, mask = paint({4: (1, 2)}, size=(2, 5))
    segmentation = tracker.step(frame, mask)
    assert segmentation.ids == (4,)
    np.testing.assert_array_equal(segmentation.labels, mask)


def test_the_video_need_not_be_a_multiple_of_16(colour_engine, paint):
    tracker = Tracker(colour_engine())
    for t in range(4):
        frame, mask = (picture[:41, :61] for picture in paint({1: (1, t % 3)}))
        segmentation = tracker.step(frame, mask if t == 0 else None)
        assert segmentation.probabilities.shape == (2, 41, 61)
        np.testing.assert_array_equal(segmentation.labels, mask)


def test_frames_are_resized_to_the_engine_where_that_is_allowed(colour_engine, paint):
    engine = colour_engine(input_size=(48, 64))
    tracker = Tracker(engine, resize=True)
    for t in range(4):
        frame, mask = (picture.repeat(2, axis=0).repeat(2, axis=1) for picture in paint({1: (1, t)}))
        labels = tracker.step(frame, mask if t == 0 else None).labels
        assert labels.shape == (96, 128)
        assert np.mean(labels != mask) < (0.02 if t else 1e-9)
    assert {image.shape for image in engine.images} == {(1, 3, 48, 64)}
