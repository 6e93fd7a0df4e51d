from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.protocol import QUICK, component_times, distribution, drift, frames_per_second, invalid_reasons
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
