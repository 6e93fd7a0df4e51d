"""The closed loop tells an engine that drifts from one that does not, and says when it judged nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pytest

from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.engine import Array, Engine, Query
from mobilevos.errors import InputError
from mobilevos.golden import ClosedLoop, GoldenTrace, Tolerances, closed_loop, compare_traces
from mobilevos.golden.replay import FrameComparison, ObjectComparison
from mobilevos.model.checkpoint import load_network

TIGHT = Tolerances(pixels=1000, iou=0.995, mean_iou=0.995, tensors=1e-3)


class Shifted(EagerEngine):
    """Adds to the logits, or to the memory values, from a call on: a fault that the loop feeds on."""

    def __init__(self, checkpoint: Path, *, logits: float = 0.0, values: float = 0.0, after: int = 0) -> None:
        super().__init__(load_network(checkpoint))
        self._logits, self._values, self._left = logits, values, after

    def decode(self, readout: Array, query: Query) -> Array:
        self._left -= 1
        return super().decode(readout, query) + np.float32(self._logits if self._left < 0 else 0)

    def encode_memory(self, query: Query, masks: Array, others: Array) -> tuple[Array, Array]:
        key, value = super().encode_memory(query, masks, others)
        return key, value + np.float32(self._values)


def test_the_reference_equals_itself(eager: Engine, trace: GoldenTrace) -> None:
    loop = closed_loop(trace, eager, TIGHT)
    assert loop.passed
    assert loop.worst_iou == 1
    assert [frame.logit_error for frame in loop.frames] == [None, *[0.0] * 29]
    assert set(loop.tensors) == {"key", "memory_key", "memory_value", "readout", "logits"}
    assert not any(loop.tensors.values())
    assert loop.engine["engine"] == "eager-fp32"


def test_given_masks_are_not_compared(eager: Engine, trace: GoldenTrace) -> None:
    frames = closed_loop(trace, eager, TIGHT).frames
    ids = [tuple(one.object_id for one in frame.objects) for frame in frames]
    assert ids == [(), *[(1,)] * 10, *[(1, 2)] * 19]


def test_wrong_logits_fail_by_their_masks_and_by_the_tensor_and_from_their_frame_on(
    trace: GoldenTrace, random_checkpoint: Path
) -> None:
    loop = closed_loop(trace, Shifted(random_checkpoint, logits=0.5, after=6), TIGHT)
    failed = {check.name for check in loop.checks if not check.passed}
    assert {"masks", "logits"} <= failed
    assert "key" not in failed
    assert [frame.logit_error for frame in loop.frames[1:7]] == [0.0] * 6
    assert all(frame.logit_error > 0.1 for frame in loop.frames[7:] if frame.logit_error is not None)
    assert loop.worst is not None
    assert loop.worst[0] >= 7
    assert loop.worst_iou is not None
    assert loop.worst_iou < 0.995


def test_a_fault_in_the_memory_is_seen_though_its_masks_are_too_small_to_be_judged(
    trace: GoldenTrace, random_checkpoint: Path
) -> None:
    loop = closed_loop(trace, Shifted(random_checkpoint, values=0.2), replace(TIGHT, pixels=10**9))
    assert loop.worst is None
    assert not loop.passed
    assert {check.name for check in loop.checks if not check.passed} >= {"memory_value", "readout"}


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_not_finite_passes_nothing(trace: GoldenTrace, random_checkpoint: Path, wrong: float) -> None:
    loop = closed_loop(trace, Shifted(random_checkpoint, values=wrong), TIGHT)
    assert loop.tensors["memory_value"] == inf
    assert not loop.passed
    json.dumps(loop.to_json(), allow_nan=False)


def test_a_trace_of_another_loop_is_refused(eager: Engine, trace: GoldenTrace) -> None:
    steps = list(trace.steps)
    steps[7] = replace(steps[7], calls=steps[8].calls[:0])
    with pytest.raises(InputError, match=r"another loop from frame 7 on; .*; export the bundle again"):
        closed_loop(replace(trace, steps=tuple(steps)), eager, TIGHT)


# What is judged


def loop_of(*objects: ObjectComparison, tensors: float = 0.0) -> ClosedLoop:
    frames = tuple(FrameComparison(index, (one,), 1e-6) for index, one in enumerate(objects))
    return ClosedLoop({"engine": "x", "versions": {}}, frames, {"logits": tensors}, TIGHT)


def test_masks_below_a_thousand_pixels_are_not_judged() -> None:
    loop = loop_of(ObjectComparison(1, 999, 0.1), ObjectComparison(1, 1000, 0.996), ObjectComparison(2, 5000, 0.999))
    assert loop.passed
    assert loop.worst == (1, ObjectComparison(1, 1000, 0.996))
    assert loop.verdict == "worst IoU 0.9960 (object 1, frame 1), mean 0.9975, of 2 masks on 2 of 3 frames"


def test_no_judged_mask_is_said_and_never_a_number() -> None:
    loop = loop_of(ObjectComparison(1, 999, 0.1))
    assert loop.worst_iou is None
    assert loop.verdict == "no mask judged: none of 1,000 pixels or more"
    facts = loop.to_json()
    assert (facts["worst_iou"], facts["worst_frame"], facts["judged_masks"], facts["judged_frames"]) == (
        None,
        None,
        0,
        0,
    )


@pytest.mark.parametrize(
    ("iou", "tensors", "passed"),
    [(0.995, 1e-3, True), (0.9949, 0, False), (1, 1.1e-3, False), (1, inf, False), (1, float("nan"), False)],
)
def test_the_tolerances_are_the_last_values_that_pass(iou: float, tensors: float, passed: bool) -> None:
    assert loop_of(ObjectComparison(1, 1000, iou), tensors=tensors).passed is passed


def test_a_trace_that_broke_off_is_refused(trace: GoldenTrace) -> None:
    with pytest.raises(InputError, match="is of another clip; expected 30 steps; found 29"):
        compare_traces(trace, replace(trace, steps=trace.steps[:-1]), {}, TIGHT)
