import numpy as np
import pytest

from benchmarks.agreement import JandF, frame_iou, summarise
from mobilevos.data.synthetic import SyntheticClip


def labels(*rows: str) -> np.ndarray:
    return np.array([[int(digit) for digit in row] for row in rows], np.uint8)


def test_the_iou_of_a_frame_is_the_mean_over_its_objects() -> None:
    one, other = labels("1100", "0222"), labels("1110", "0022")
    assert frame_iou(one, other, [1, 2]) == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert frame_iou(one, other, [1, 2, 3]) == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)  # 3 is in neither


def test_ids_that_were_exchanged_do_not_agree() -> None:
    one = labels("1122")
    assert frame_iou(one, labels("2211"), [1, 2]) == 0


def test_the_summary_names_the_worst_frame() -> None:
    agreement = summarise([1.0, 0.5, 0.75])
    assert (agreement.mean, agreement.worst, agreement.worst_frame) == (0.75, 0.5, 1)


def test_the_first_and_the_last_frame_do_not_count_in_j_and_f() -> None:
    clip = SyntheticClip(0, length=4, size=(48, 64), objects=2)
    nothing = np.zeros(clip.size, np.uint8)
    score = JandF([1, 2], length=4)
    for t in range(4):
        score.add(t, clip.mask(t) if t in (1, 2) else nothing, clip.mask(t))
    assert score.mean == 1


def test_half_of_the_frames_missed_is_half_of_j_and_f() -> None:
    clip = SyntheticClip(0, length=4, size=(48, 64), objects=1)
    score = JandF([1], length=4)
    score.add(1, clip.mask(1), clip.mask(1))
    score.add(2, np.zeros(clip.size, np.uint8), clip.mask(2))
    assert score.mean == 0.5


def test_a_clip_of_two_frames_has_no_j_and_f() -> None:
    score = JandF([1], length=2)
    score.add(1, labels("1"), labels("1"))
    assert score.mean is None
