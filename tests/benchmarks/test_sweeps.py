from pathlib import Path

import pytest

from benchmarks.growth import LongRun
from benchmarks.jobs import Job, Workload, prepare
from benchmarks.long_report import long_json, long_page, sweep_facts, sweep_rows
from benchmarks.noise import Interval
from benchmarks.run_record import Step
from benchmarks.sweeps import SWEEPS, Point, Sweep, cost_of_one, measure_sweep


def points(target: str, start: float, slope: float) -> list[Point]:
    times = {count: start + slope * count for count in (1, 2, 4, 8)}
    return [Point(target, str(count), count, Interval(ms, ms - 1, ms + 1)) for count, ms in times.items()]


def test_the_cost_of_one_more_is_the_slope_of_the_line() -> None:
    assert cost_of_one(points("litert-fp32", 40, 12.5)) == (pytest.approx(40), pytest.approx(12.5))


def test_each_target_is_compared_with_its_own_smallest_size() -> None:
    rows = sweep_rows([*points("eager-fp32", 0, 100), *points("litert-fp32", 40, 10)])
    assert [row[-1] for row in rows] == ["1.00", "2.00", "4.00", "8.00", "1.00", "1.20", "1.60", "2.40"]


def test_the_sweeps_grow_in_one_size_alone() -> None:
    for sweep in SWEEPS.values():
        workloads = list(sweep.workloads.values())
        amounts = [sweep.amount(one) for one in workloads]
        assert amounts == sorted(amounts)
        assert len(set(amounts)) == len(amounts)
        others = {"objects": "objects", "resolution": "size", "memory": "memory_frames"}
        same = {tuple(v for k, v in vars(one).items() if k != others[sweep.name]) for one in workloads}
        assert len(same) == 1


@pytest.mark.slow
def test_a_sweep_times_its_component_in_every_size(random_checkpoint: Path, tmp_path: Path) -> None:
    workloads = {str(frames): Workload((64, 96), memory_frames=frames) for frames in (2, 64)}
    sweep = Sweep("memory", "memory frames", "read_memory", "memory frame", workloads, lambda one: one.memory_frames)
    jobs = []
    for label, workload in workloads.items():
        job = prepare("eager", "fp32", workload, tmp_path, checkpoint=random_checkpoint)
        assert isinstance(job, Job)
        jobs.append((label, job))
    found = measure_sweep(sweep, jobs, tmp_path, threads=1, steps=8)
    assert [(one.label, one.amount) for one in found] == [("2", 2), ("64", 64)]
    assert found[1].ms.value > 0
    page = long_page({}, {"memory": found}, FACTS)
    assert page.count("<img") == 1


def test_the_page_has_a_plot_for_the_long_run_and_each_sweep() -> None:
    run = LongRun([Step(k, 0, False, 10.0, {}, 10**8, None) for k in range(200)], [1.0] * 100, [1.0] * 100)
    page = long_page({"eager-fp32": run}, {"objects": points("eager-fp32", 1, 2)}, FACTS)
    assert page.count("<img") == page.count("<table") == 2
    assert "1,000 frames of 96x160, 2 objects" in page


def test_a_sweep_states_its_protocol_and_that_it_is_no_valid_run() -> None:
    found = {"objects": points("eager-fp32", 1, 2)}
    stated = long_json({}, found, FACTS)["sweep_protocol"]
    assert (stated["steps"], stated["seconds"], stated["warm_up"]) == (32, 0, 10)
    note = "at least 32 timed steps and 0 s of each, shorter than a valid run (128 steps and 10 s)"
    assert note in stated["note"]
    assert note in long_page({}, found, FACTS)


FACTS = {
    "frames": 1000,
    "size": "96x160",
    "objects": 2,
    "threads": 1,
    "sweep_protocol": sweep_facts(32),
    "machine": {"processor": "a processor"},
    "commit": None,
    "time": "2026-01-01",
}
