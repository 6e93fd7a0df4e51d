from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.clips import Clip, synthetic_clip
from benchmarks.evaluation import RunFacts, evaluate
from benchmarks.host import Measured
from benchmarks.jobs import Job, Workload
from benchmarks.protocol import FULL, QUICK, Protocol
from benchmarks.result_tables import result_markdown
from benchmarks.results import ClipFacts, Result, read_results, write_results
from benchmarks.run_record import RunRecord
from mobilevos.evaluation import boundary_f, region_similarity
from mobilevos.weights import default_checkpoint

MakeResult = Callable[..., Result]
SIZE = (64, 96)


def test_the_rate_is_that_of_an_average_frame(make_result: MakeResult) -> None:
    # 3 GMACs and a fifth of 2, in 80 ms of `segment` and a fifth of 2 ms of `encode_memory`.
    result = make_result()
    assert result.work is not None
    assert result.work.frame_gmacs == pytest.approx(3.4)
    assert result.work.gflops == pytest.approx(2 * 3.4 / 0.0804)
    assert result.work.share_of_limit == pytest.approx(2 * 3.4 / 0.0804 / 200)


def test_the_first_frame_and_the_load_stand_outside_the_steady_state(make_result: MakeResult) -> None:
    timing = make_result(step_ms=[900.0] + [500.0] * 9 + [100.0] * 190).timing
    assert timing is not None
    assert (timing.first_frame_ms, timing.load_ms) == (900.0, 12.0)
    assert (timing.step.p50, timing.step.p99, timing.fps) == (100.0, 100.0, pytest.approx(10))
    assert timing.drift == 0


def test_the_ratio_is_the_median_of_the_steps_ratios(make_result: MakeResult) -> None:
    result = make_result("litert", ratio=[0.4] * 100 + [2.0] * 40)
    assert result.ratio is not None
    assert result.ratio.value == 0.4


def test_every_timed_step_is_kept(make_result: MakeResult) -> None:
    result = make_result(step_ms=[50.0] * 10 + [float(k) for k in range(100, 290)])
    assert len(result.series.step_ms) == len(result.series.memory_bytes) == 190 - 19
    assert result.series.step_ms[0] == 101.0


def test_a_row_is_invalid_failed_or_skipped(
    make_record: Callable[..., RunRecord],
) -> None:
    job = Job("eager", "fp32", Workload(SIZE), default_checkpoint(), None, 1)
    clip = synthetic_clip(10, SIZE, objects=1)
    masks = np.zeros((10, *SIZE), np.uint8)
    short = evaluate([Measured(job, make_record([10.0] * 30, warm_up=10), masks=masks)], [clip], [masks], _facts())
    assert short.status == "INVALID"
    assert len(short.reasons) == 2
    failed = evaluate([Measured(job, None, failure="it broke")], [clip], [None], _facts())
    assert (failed.status, failed.reasons, failed.timing, failed.quality) == ("failed", ["it broke"], None, None)
    skipped = evaluate([Measured(job, None, masks=masks, skipped="does not run there")], [clip], [masks], _facts())
    assert (skipped.status, skipped.reasons, skipped.timing) == ("skipped", ["does not run there"], None)


def test_a_row_is_judged_by_the_protocol_of_its_run(make_record: Callable[..., RunRecord]) -> None:
    job = Job("eager", "fp32", Workload(SIZE), default_checkpoint(), None, 1)
    clip = synthetic_clip(10, SIZE, objects=1)
    masks = np.zeros((10, *SIZE), np.uint8)
    measured = Measured(job, make_record([100.0] * 200, warm_up=10), masks=masks)
    assert evaluate([measured], [clip], [masks], _facts()).status == "valid"
    full = evaluate([measured], [clip], [masks], _facts(FULL))
    assert full.status == "INVALID"
    assert "1,024 are the least of the full protocol" in full.reasons[0]


def test_a_row_says_how_long_the_components_ran_alone_and_how_often_each_was_called(make_result: MakeResult) -> None:
    result = make_result()
    assert result.protocol["components"] == {"steps": 32, "seconds": 2.5}
    assert result.timing is not None
    assert {name: one.count for name, one in result.timing.single.items()} == {"encode_memory": 19, "segment": 171}


def test_a_run_without_components_alone_says_so(make_record: Callable[..., RunRecord]) -> None:
    clip = synthetic_clip(10, SIZE, objects=1)
    job = Job("eager", "fp32", Workload(SIZE), default_checkpoint(), None, 1)
    measured = Measured(job, make_record([100.0] * 200, warm_up=10))
    result = evaluate([measured], [clip], [None], replace(_facts(), components=False))
    assert result.protocol["components"] is None


def test_of_a_run_that_broke_off_the_steps_are_kept_and_marked(
    make_record: Callable[..., RunRecord], tmp_path: Path
) -> None:
    clip = synthetic_clip(10, SIZE, objects=1)
    job = Job("executorch", "fp32", Workload(SIZE), default_checkpoint(), None, 1)
    steps = tuple(make_record([900.0] * 10 + [100.0] * 20, warm_up=10).steps)
    thermal = {"throttled": True, "reasons": ["thermal status severe"]}
    result = evaluate(
        [Measured(job, None, failure="connection lost", partial=steps, thermal=thermal)], [clip], [None], _facts()
    )
    assert (result.status, result.reasons) == ("failed", ["connection lost; partial: 18 timed steps before it"])
    assert result.timing is not None
    assert (result.timing.step.count, result.timing.step.p50, result.timing.load_ms) == (18, 100.0, None)
    assert result.timing.first_frame_ms == 900.0
    assert result.series.step_ms == [100.0] * 18
    assert result.peak_rss_bytes == steps[-1].rss_bytes
    assert result.quality is None
    assert result.provenance["thermal"] == thermal
    row = replace(result, provenance=result.provenance | {"machine": {}, "commit": None, "time": ""})
    write_results(tmp_path / "results.jsonl", [row])
    assert read_results(tmp_path) == [row]
    assert "| executorch fp32 (failed) | 1 | 100.0 |" in result_markdown([row])


def test_a_run_whose_components_alone_broke_off_keeps_the_whole_steps(make_record: Callable[..., RunRecord]) -> None:
    clip = synthetic_clip(10, SIZE, objects=1)
    job = Job("executorch", "fp32", Workload(SIZE), default_checkpoint(), None, 1)
    record, masks = make_record([100.0] * 200, warm_up=10), np.zeros((10, *SIZE), np.uint8)
    alone = tuple(make_record([100.0] * 20).steps)
    measured = Measured(job, record, masks=masks, failure="components alone: lost", partial_single=alone)
    result = evaluate([measured], [clip], [masks], _facts())
    assert (result.status, result.reasons) == ("failed", ["components alone: lost"])
    assert result.timing is not None
    assert result.timing.step.count == 171
    assert result.timing.single["segment"].count == 18
    assert result.quality is not None


def test_j_and_f_and_iou_are_of_the_masks_that_the_run_wrote(make_record: Callable[..., RunRecord]) -> None:
    clip = synthetic_clip(10, SIZE, objects=1)
    assert clip.truth is not None
    truth = np.stack([clip.truth(index) for index in range(10)])
    masks = np.roll(truth, 3, axis=2)
    result = _scored(make_record, masks, truth, clip)
    pairs = [(mask == 1, true == 1) for mask, true in zip(masks, truth, strict=True)]
    expected = [(region_similarity(*pair) + boundary_f(*pair)) / 2 for pair in pairs[1:-1]]
    ious = [region_similarity(*pair) for pair in pairs]
    assert result.quality is not None
    assert result.quality.j_and_f == pytest.approx(np.mean(expected))
    assert result.quality.iou_mean == pytest.approx(np.mean(ious))
    assert result.quality.iou_worst == pytest.approx(min(ious))
    assert 0.3 < result.quality.j_and_f < 1


def test_a_clip_without_ground_truth_has_an_iou_alone(make_record: Callable[..., RunRecord]) -> None:
    clip = synthetic_clip(10, SIZE, objects=1)
    masks = np.stack([clip.first_mask] * 10)
    result = _scored(make_record, masks, masks, replace(clip, truth=None))
    assert result.quality is not None
    assert (result.quality.j_and_f, result.quality.iou_mean) == (None, 1.0)


def _scored(make_record: Callable[..., RunRecord], masks: np.ndarray, reference: np.ndarray, clip: Clip) -> Result:
    job = Job("eager", "fp32", Workload(SIZE), default_checkpoint(), None, 1)
    measured = Measured(job, make_record([100.0] * 200, warm_up=10), masks=masks)
    return evaluate([measured], [clip], [reference], _facts())


def _facts(protocol: Protocol = QUICK) -> RunFacts:
    gmacs = {"encode_memory": 2.0, "segment": 3.0}
    return RunFacts("host", 1, ClipFacts("clip", 1, 10, *SIZE, 1, 2, 5), protocol, ("eager-fp32",), gmacs, None, {})
