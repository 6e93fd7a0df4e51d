import json

import pytest

from benchmarks.in_turn import Contestant, SingleComponents
from benchmarks.speed_report import SpeedReport, explanation, markdown
from mobilevos.contract import COMPONENTS
from mobilevos.engines import TimedEngine
from mobilevos.engines.eager import EagerEngine
from mobilevos.model.variants import build_network

WARM_UP, STEPS = 6, 20
GMACS = {"encode_query": 1.7, "encode_memory": 2.0, "read_memory": 0.8, "decode": 0.5, "segment": 3.0}


@pytest.fixture(scope="module")
def engine() -> EagerEngine:
    return EagerEngine(build_network("mobilenet_v2"))


def contestant(engine: EagerEngine, segment_ms: float) -> tuple[Contestant, Contestant]:
    """An engine whose times are known: a memorised frame takes 20 ms, a step 10 ms more than its segmenting."""
    fused, single = Contestant(TimedEngine(engine)), Contestant(SingleComponents(engine))
    # Disturbances of the machine last for some steps and hit whoever is running.
    load = [3.0 if 8 <= step < 11 else 1.0 for step in range(WARM_UP + STEPS)]
    fused.step_ms[:] = [factor * (segment_ms + 10) for factor in load]
    fused.engine.timings["segment"][:] = [factor * segment_ms for factor in load[1:]]
    fused.engine.timings["encode_memory"][:] = [20.0] * 6
    for name in ("encode_query", "read_memory", "decode"):
        single.engine.timings[name][:] = [segment_ms / 3] * STEPS
    return fused, single


@pytest.fixture(scope="module")
def report(engine: EagerEngine) -> SpeedReport:
    fused, single = zip(contestant(engine, 100), contestant(engine, 40), strict=True)
    return SpeedReport.of(fused, single, GMACS, 100.0, WARM_UP, memory_every=5, threads=2)


def test_ratios_are_of_steps_on_the_same_frame(report: SpeedReport) -> None:
    assert [one.segment_ratio for one in report.engines] == [1, pytest.approx(0.4)]
    assert [one.step_ratio for one in report.engines] == [1, pytest.approx(50 / 110)]


def test_a_disturbance_leaves_the_median_alone(report: SpeedReport) -> None:
    assert report.engines[1].components["segment"].p50 == 40
    assert report.engines[1].components["segment"].p90 > 40


def test_the_rate_is_that_of_an_average_frame(report: SpeedReport) -> None:
    # 3 GMACs and a fifth of 2 in 100 ms and a fifth of 20.
    assert report.average_gmacs == pytest.approx(3.4)
    assert report.engines[0].gflops == pytest.approx(2 * 3.4 / 0.104)
    assert report.engines[0].share_of_limit == pytest.approx(2 * 3.4 / 0.104 / 100)


def test_the_markdown_has_a_row_for_every_component_and_says_how_it_was_measured(report: SpeedReport) -> None:
    text = markdown(report)
    assert [line.split("|")[1].strip() for line in text.splitlines()[2:8]] == [*COMPONENTS, "whole tracker step"]
    assert "20 steps" in text
    assert "2 threads" in text
    assert "one process" in text
    assert explanation(report) in text


def test_the_steps_that_were_timed_are_counted_without_the_warm_up(report: SpeedReport) -> None:
    assert report.steps == STEPS
    assert json.dumps(report.engines[0].versions)
