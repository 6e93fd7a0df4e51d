from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.protocol import (
    FULL,
    QUICK,
    Protocol,
    component_protocol,
    component_times,
    distribution,
    drift,
    frames_per_second,
    invalid_reasons,
    short_of_valid,
    too_few_component_calls,
)
from benchmarks.run_record import RunRecord

MakeRecord = Callable[..., RunRecord]


def test_a_run_of_128_steps_and_10_seconds_after_a_warm_up_is_valid(make_record: MakeRecord) -> None:
    # 16 passes of 10 frames, of which the first of each is given and does not count.
    assert invalid_reasons([make_record([80.0] * 160, warm_up=10)]) == ()


@pytest.mark.parametrize(
    ("step_ms", "steps", "warm_up", "complete", "reason"),
    [
        (200.0, 130, 10, True, "108 timed steps"),
        (10.0, 160, 10, True, "1.4 s"),
        (80.0, 160, 5, True, "warm-up of 5"),
        (80.0, 160, 10, False, "not tracked to its end"),
    ],
)
def test_a_run_that_is_too_short_says_why(
    make_record: MakeRecord, step_ms: float, steps: int, warm_up: int, complete: bool, reason: str
) -> None:
    reasons = invalid_reasons([make_record([step_ms] * steps, warm_up=warm_up)], complete)
    assert len(reasons) == 1
    assert reason in reasons[0]


def test_a_full_run_counts_by_what_the_full_protocol_asks_for(make_record: MakeRecord) -> None:
    quick = make_record([80.0] * 160, warm_up=10)
    assert invalid_reasons([quick], protocol=FULL) == (
        "135 timed steps, and 1,024 are the least of the full protocol",
        "10.8 s of timed steps, and 60 s are the least of the full protocol",
    )
    assert invalid_reasons([make_record([80.0] * 1160, warm_up=10)], protocol=FULL) == ()


def test_a_protocol_that_asks_for_less_is_held_to_the_quick_one(make_record: MakeRecord) -> None:
    few = Protocol("custom", steps=12, seconds=0)
    assert invalid_reasons([make_record([80.0] * 160, warm_up=10)], protocol=few) == ()
    steps, seconds = invalid_reasons([make_record([80.0] * 60, warm_up=10)], protocol=few)
    assert steps == "45 timed steps, and 128 are the least"
    assert seconds == "3.6 s of timed steps, and 10 s are the least"


def test_a_custom_protocol_counts_where_it_asks_for_more(make_record: MakeRecord) -> None:
    record = make_record([80.0] * 160, warm_up=10)
    (reason,) = invalid_reasons([record], protocol=Protocol("custom", steps=136, seconds=0))
    assert reason == "135 timed steps, and 136 are the least of the custom protocol"
    assert invalid_reasons([record], protocol=Protocol("custom", steps=1, seconds=10.8)) == ()


def test_components_alone_run_for_a_quarter_and_never_for_less() -> None:
    assert component_protocol(FULL) == Protocol("full", steps=256, seconds=15.0)
    assert component_protocol(Protocol("custom", 5, 0)).steps == 2
    assert component_protocol(Protocol("custom", 1, 0)).steps == 1


@pytest.mark.parametrize(
    ("calls", "steps", "text"),
    [
        (32, 128, ""),
        (31, 128, "31 steps, and 32 are the least"),
        (255, 1024, "255 steps, and 256 are the least"),
        (3, 12, "3 steps, and 32 are the least"),
    ],
)
def test_too_few_calls_of_components_are_said(calls: int, steps: int, text: str) -> None:
    assert too_few_component_calls(calls, steps) == text


def test_a_measurement_that_is_short_by_intention_says_so() -> None:
    assert short_of_valid(QUICK) == short_of_valid(FULL) == ""
    text = "at least 32 timed steps and 0 s of each, shorter than a valid run (128 steps and 10 s)"
    assert short_of_valid(Protocol("sweep", 32, 0)) == text
    assert short_of_valid(Protocol("sweep", 500, 0))


def test_the_steps_of_several_clips_count_together(make_record: MakeRecord) -> None:
    half = make_record([160.0] * 85, warm_up=10)
    assert invalid_reasons([half])
    assert invalid_reasons([half, half]) == ()


def test_a_run_without_any_record_is_not_valid() -> None:
    assert len(invalid_reasons([])) == 3


@given(st.lists(st.floats(0.1, 1e4), min_size=1, max_size=50))
def test_a_distribution_is_what_numpy_says(times: list[float]) -> None:
    found = distribution(times)
    assert found.count == len(times)
    assert found.min <= found.p50 <= found.p90 <= found.p99 <= max(times)
    assert found.p50 == pytest.approx(np.median(times))
    assert found.mean == pytest.approx(np.mean(times))
    assert found.std == pytest.approx(np.std(times, ddof=1) if len(times) > 1 else 0, abs=1e-6)


def test_frames_per_second_are_of_the_whole_loop_not_of_the_median_step() -> None:
    assert frames_per_second([10.0, 10.0, 80.0]) == pytest.approx(30.0)


@given(st.floats(-0.5, 2.0))
def test_the_drift_is_the_change_from_the_start_to_the_end(change: float) -> None:
    line = np.linspace(1.0, 1.0 + change, 101)
    assert drift(line) == pytest.approx(100 * change / np.median(line), abs=1e-6)


def test_a_quarter_of_disturbed_steps_leaves_the_drift_alone() -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, 400)
    times = 10 + noise
    times[300:400:1] += np.where(np.arange(100) % 2, 500.0, 0.0)  # every other step of the last quarter
    assert abs(drift(times)) < 1
    assert abs(100 * np.polyfit(np.arange(400), times, 1)[0] * 399 / 10) > 100  # least squares would be fooled


def test_a_long_run_is_thinned_out_and_gives_the_same_drift() -> None:
    assert drift(np.linspace(10, 11, 5000)) == pytest.approx(drift(np.linspace(10, 11, 500)), rel=1e-6)


def test_components_are_those_of_timed_steps(make_record: MakeRecord) -> None:
    record = make_record([10.0] * 20, warm_up=10)
    times = component_times(record.steps)
    assert len(times["segment"]) == 9
    assert times["encode_memory"] == [2.0]  # frame 5; that of frame 0 belongs to a given frame


def test_the_quick_protocol_is_what_the_least_run_is() -> None:
    assert (QUICK.steps, QUICK.seconds) == (128, 10.0)
