"""The gate of the closed loop, and its curve."""

from __future__ import annotations

import warnings
from math import inf
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export.closed_loop import TOLERANCES, check_closed_loop, write_curve
from export.targets import TARGETS
from mobilevos.errors import InputError
from mobilevos.golden import ClosedLoop
from mobilevos.golden.replay import FrameComparison, ObjectComparison


def loop_of(precision: str, iou: float = 1.0, tensors: float = 0.0, error: float = 1e-6) -> ClosedLoop:
    """Two objects, of which the second is too small to be judged."""
    frames = tuple(
        FrameComparison(index, (ObjectComparison(1, 2000, iou), ObjectComparison(2, 20, 0.5)), error)
        for index in range(1, 30)
    )
    engine = {"engine": f"x-{precision}", "versions": {}}
    first = FrameComparison(0, (), None)
    return ClosedLoop(engine, (first, *frames), {"logits": tensors}, TOLERANCES[precision])


def test_every_precision_of_every_target_has_its_tolerances() -> None:
    assert {precision for target in TARGETS.values() for precision in target.precisions} <= set(TOLERANCES)


@pytest.mark.parametrize(("precision", "iou"), [("fp32", 0.995), ("fp16", 0.99)])
def test_the_gate_is_the_worst_mask(precision: str, iou: float) -> None:
    check_closed_loop(loop_of(precision, iou), precision)
    with pytest.raises(InputError, match=f"masks; expected IoU of at least {iou}.*; found worst IoU 0.98"):
        check_closed_loop(loop_of(precision, 0.98), precision)


def test_float16_that_drifts_names_the_way_out() -> None:
    with pytest.raises(InputError, match="pass --precision fp32"):
        check_closed_loop(loop_of("fp16", 0.5), "fp16")


def test_masks_that_hide_wrong_tensors_do_not_pass() -> None:
    with pytest.raises(InputError, match=r"computes: logits; expected within 1e-03 of its range; found 2\.0e-03"):
        check_closed_loop(loop_of("fp32", tensors=2e-3), "fp32")


@pytest.mark.parametrize("error", [1e-6, 0.0, inf])
def test_the_curve_is_a_picture_whatever_the_errors(tmp_path: Path, error: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_curve(loop_of("fp32", 0.9, error=error), tmp_path / "parity" / "curve.png")
    picture = np.asarray(Image.open(tmp_path / "parity" / "curve.png").convert("RGB"))
    assert picture.shape == (450, 700, 3)
    assert picture.std() > 10


def test_the_same_loop_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        write_curve(loop_of("fp32"), tmp_path / name)
    write_curve(loop_of("fp32", 0.9), tmp_path / "c.png")
    one, same, other = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png", "c.png"))
    assert one == same != other
