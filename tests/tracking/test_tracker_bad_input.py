"""Bad input is refused in one line, and the video can go on after it."""

import numpy as np
import pytest

from mobilevos.errors import InputError
from mobilevos.tracking import Tracker


def test_a_first_mask_without_objects_is_refused(colour_engine, paint):
    frame, mask = paint({})
    with pytest.raises(InputError, match="the mask holds no objects"):
        Tracker(colour_engine()).step(frame, mask)


def test_a_frame_of_another_size_than_before_is_refused(colour_engine, paint):
    tracker = Tracker(colour_engine())
    tracker.step(paint({})[0])
    with pytest.raises(InputError, match=r"frame size changed.*expected 48x64.*found 64x48"):
        tracker.step(np.zeros((64, 48, 3), np.uint8))


def test_a_failed_first_step_leaves_nothing_in_the_padding(colour_engine, paint, monkeypatch):
    engine = colour_engine()
    tracker = Tracker(engine)
    frame, mask = paint({1: (0, 0)})
    monkeypatch.setattr(engine, "encode_memory", None)
    with pytest.raises(TypeError):
        tracker.step(frame, mask)
    monkeypatch.undo()
    tracker.step(frame[:40], mask[:40])
    assert engine.images[-1].shape == (1, 3, 48, 64)
    assert not engine.images[-1][:, :, 40:].any()


def test_a_frame_that_the_engine_does_not_take_is_refused(colour_engine, paint):
    with pytest.raises(InputError, match="--size 48x64"):
        Tracker(colour_engine(input_size=(480, 864))).step(*paint({1: (0, 0)}))


@pytest.mark.parametrize("memory_every", [0, -1])
def test_memory_every_is_at_least_one(colour_engine, memory_every):
    with pytest.raises(InputError, match="memory_every"):
        Tracker(colour_engine(), memory_every=memory_every)


def test_only_a_tracked_object_can_be_removed(colour_engine, paint):
    tracker = Tracker(colour_engine())
    with pytest.raises(InputError, match=r"object 3.*\(none\)"):
        tracker.remove(3)
    tracker.step(*paint({1: (0, 0), 2: (1, 1)}))
    with pytest.raises(InputError, match=r"object 3.*\(1, 2\)"):
        tracker.remove(3)


def spoilt_steps(frame, mask):
    nan = np.full(frame.shape, np.nan, np.float32)
    return [
        (nan, None),
        (frame[:-1], None),
        (frame, mask[:-1]),
        (frame, mask.astype(np.float32)),
        (frame[..., 0], mask),
    ]


def test_a_refused_step_leaves_the_tracker_as_it_was(colour_engine, paint):
    spoilt, clean = Tracker(colour_engine(), memory_every=2), Tracker(colour_engine(), memory_every=2)
    for t in range(6):
        frame, mask = paint({1: (t % 3, 0), 2: (0, 1 + t % 3)})
        given = mask if t == 0 else None
        expected = clean.step(frame, given)
        result = spoilt.step(frame, given)
        assert result.ids == expected.ids
        np.testing.assert_array_equal(result.probabilities, expected.probabilities)
        for bad_frame, bad_mask in spoilt_steps(frame, mask):
            with pytest.raises(InputError):
                spoilt.step(bad_frame, bad_mask)


@pytest.mark.parametrize("components", [("encode_query", "segment"), ("encode_memory",)])
def test_a_step_in_which_the_engine_fails_can_be_repeated(colour_engine, paint, monkeypatch, components):
    def fail(*_):
        raise RuntimeError("out of memory")

    engine = colour_engine()
    tracker = Tracker(engine)
    frame, mask = paint({1: (0, 0), 2: (1, 1)})
    for object_id in (1, 2):
        given = np.where(mask == object_id, mask, 0)
        for component in components:
            monkeypatch.setattr(engine, component, fail)
        with pytest.raises(RuntimeError):
            tracker.step(frame, given)
        monkeypatch.undo()
        assert object_id not in tracker.ids
        tracker.step(frame, given)
    np.testing.assert_array_equal(tracker.step(frame).labels, mask)
