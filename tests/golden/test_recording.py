"""What a trace says happened is what happened in the tracker: calls, objects, sums, slots, masks."""

from __future__ import annotations

import numpy as np
import pytest

from mobilevos.engines.engine import Engine
from mobilevos.golden import GoldenTrace, record, synthetic_clip
from mobilevos.golden.recording import reduced
from mobilevos.tracking import Tracker

ONE_GROUP = ["segment"]
TWO_GROUPS = ["encode_query", "read_memory", "read_memory", "decode"]


def test_the_masks_are_those_of_the_tracker(eager: Engine, trace: GoldenTrace) -> None:
    tracker = Tracker(eager, memory_every=trace.clip.memory_every)
    for index, (frame, step) in enumerate(zip(trace.clip.frames, trace.steps, strict=True)):
        labels = tracker.step(frame, trace.clip.given.get(index)).labels
        assert np.array_equal(labels, step.labels), index


def test_one_group_is_one_fused_call_and_two_are_components(trace: GoldenTrace) -> None:
    calls = [[call.component for call in step.calls] for step in trace.steps]
    assert calls[0] == ["encode_query", "encode_memory"]
    for index in range(1, 30):
        predicted = ONE_GROUP if index <= 10 else TWO_GROUPS
        assert calls[index] == predicted + (["encode_memory"] if index % 5 == 0 else []), index


def test_calls_name_their_objects_and_whose_memory_they_read(trace: GoldenTrace) -> None:
    first, given, last = (
        [(call.component, call.group, call.ids) for call in trace.steps[index].calls] for index in (0, 10, 25)
    )
    assert first == [("encode_query", None, ()), ("encode_memory", None, (1,))]
    assert given == [("segment", 0, (1,)), ("encode_memory", None, (1, 2))]
    assert last == [
        ("encode_query", None, ()),
        ("read_memory", 0, (1,)),
        ("read_memory", 1, (2,)),
        ("decode", None, (1, 2)),
        ("encode_memory", None, (1, 2)),
    ]


def test_each_group_keeps_its_own_first_frame_and_the_latest(trace: GoldenTrace) -> None:
    slots = {
        index: [(write.group, write.slot, write.ids) for write in step.writes]
        for index, step in enumerate(trace.steps)
        if step.writes
    }
    assert slots == {
        0: [(0, 0, (1,))],
        5: [(0, 1, (1,))],
        10: [(0, 1, (1,)), (1, 0, (2,))],
        **{index: [(0, 1, (1,)), (1, 1, (2,))] for index in (15, 20, 25)},
    }


def test_the_sums_are_those_of_the_loops_own_inputs(trace: GoldenTrace) -> None:
    step = trace.steps[10]
    segment, memory = step.calls
    assert segment.sums["image"] == pytest.approx([trace.clip.frames[10].sum(dtype=np.float64) / 255])
    given = trace.clip.given[10] == 2
    assert memory.sums["masks"][1] == given.sum()
    assert memory.sums["others"] == pytest.approx(memory.sums["masks"][::-1])
    assert 0 < memory.sums["masks"][0] < given.size - given.sum()


@pytest.mark.parametrize(
    ("name", "shape", "kept"),
    [
        ("key", (1, 4, 2, 3), (4,)),
        ("memory_key", (6, 5), (5,)),
        ("memory_value", (2, 6, 3), (2, 3)),
        ("readout", (2, 3, 2, 3), (2, 3)),
        ("logits", (2, 1, 32, 48), (2, 2, 3)),
    ],
)
def test_what_is_kept_of_a_tensor(name: str, shape: tuple[int, ...], kept: tuple[int, ...]) -> None:
    tensor = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    left = reduced(name, tensor)
    assert (left.shape, left.dtype) == (kept, np.float32)
    if name == "logits":
        assert left[1, 1, 2] == tensor[1, 0, 16, 32]
    elif name == "memory_value":
        assert left[1, 2] == pytest.approx(tensor[1, :, 2].mean(), abs=1e-6)


def test_two_runs_give_the_same_trace(eager: Engine, trace: GoldenTrace) -> None:
    again = record(eager, trace.clip)
    for step, same in zip(trace.steps, again.steps, strict=True):
        assert step.writes == same.writes
        for call, other in zip(step.calls, same.calls, strict=True):
            assert (call.component, call.sums) == (other.component, other.sums)
            assert all(np.array_equal(call.tensors[name], other.tensors[name]) for name in call.tensors)


def test_progress_is_told_frame_by_frame(eager: Engine) -> None:
    told: list[int] = []
    record(eager, synthetic_clip((16, 16)), told.append)
    assert told == [1] * 30
