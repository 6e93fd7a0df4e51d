"""How far masks agree."""

from __future__ import annotations

import numpy as np
import pytest

from mobilevos.evaluation.agreement import frame_iou, summarise


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
    agreement = summarise([1.0, 0.5, 0.75], ["dog:00001", "libby:00042", "libby:00043"])
    assert (agreement.mean, agreement.worst, agreement.worst_frame) == (0.75, 0.5, "libby:00042")


def test_every_frame_has_a_name() -> None:
    with pytest.raises(ValueError, match="zip"):
        summarise([1.0, 0.5], ["dog:00001"])
