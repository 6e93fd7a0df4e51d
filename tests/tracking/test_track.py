"""`track` runs a whole video lazily."""

import subprocess
import sys

import numpy as np
import pytest

from mobilevos.errors import InputError
from mobilevos.tracking import Tracker, track


@pytest.fixture
def clip(paint):
    frames, masks = zip(*(paint({1: (t % 3, t % 4)}) for t in range(6)), strict=True)
    return frames, masks


def test_a_video_is_tracked_from_its_first_mask(colour_engine, clip):
    frames, masks = clip
    labels = [segmentation.labels for segmentation in track(frames, masks[0], Tracker(colour_engine()))]
    np.testing.assert_array_equal(labels, masks)


def test_masks_may_be_given_by_frame(colour_engine, clip):
    frames, masks = clip
    segmentations = list(track(frames, {2: masks[2], 4: masks[4]}, Tracker(colour_engine())))
    assert [segmentation.ids for segmentation in segmentations] == [(), ()] + [(1,)] * 4
    np.testing.assert_array_equal([segmentation.labels for segmentation in segmentations[2:]], masks[2:])


def test_frames_are_taken_only_as_the_result_is_consumed(colour_engine, clip):
    frames, masks = clip
    taken = []

    def camera():
        for index in range(10**9):
            taken.append(index)
            yield frames[index % 6]

    results = track(camera(), masks[0], Tracker(colour_engine()))
    assert taken == []
    next(results)
    next(results)
    assert taken == [0, 1]


def test_a_tracker_can_be_used_for_one_video_after_another(colour_engine, clip, paint):
    frames, masks = clip
    tracker = Tracker(colour_engine())
    list(track(frames, masks[0], tracker))
    frame, mask = paint({4: (0, 1)}, size=(2, 2))
    (segmentation,) = track([frame], mask, tracker)
    assert segmentation.ids == (4,)


@pytest.mark.parametrize("index", [-1, 6])
def test_a_mask_for_a_frame_that_does_not_come_is_reported(colour_engine, clip, index):
    frames, masks = clip
    results = track(frames, {0: masks[0], index: masks[0]}, Tracker(colour_engine()))
    for mask in masks:
        np.testing.assert_array_equal(next(results).labels, mask)
    with pytest.raises(InputError, match=f"expected frames 0 to 5; found masks for frames {index}"):
        next(results)


def test_the_loop_loads_no_torch():
    code = "import sys, mobilevos.tracking, mobilevos.engines.timed; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
