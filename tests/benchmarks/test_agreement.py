import numpy as np

from benchmarks.agreement import JandF
from mobilevos.data.synthetic import SyntheticClip


def labels(*rows: str) -> np.ndarray:
    return np.array([[int(digit) for digit in row] for row in rows], np.uint8)


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
