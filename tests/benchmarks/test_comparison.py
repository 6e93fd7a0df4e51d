import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.comparison import UNKNOWN_SPREAD, compare_results, warnings_of
from benchmarks.results import RESULTS, Result, write_results

MakeResult = Callable[..., Result]


def litert(make_result: MakeResult, ratio: float, seed: int = 0, noise: float = 0.05) -> Result:
    """A run whose steps' ratios have a known median and a known noise."""
    ratios = np.random.default_rng(seed).normal(ratio, noise * ratio, 170)
    return make_result("litert", [50.0] * 200, list(ratios))


def test_the_same_speed_with_other_noise_is_no_difference(make_result: MakeResult) -> None:
    (found,) = compare_results([litert(make_result, 0.4, 1)], [litert(make_result, 0.4, 2)])
    assert found.verdict == "no difference beyond the noise"
    assert found.change.low < 0 < found.change.high


@pytest.mark.parametrize(("after", "verdict"), [(0.36, "10 % faster"), (0.48, "20 % slower")])
def test_a_change_beyond_the_noise_is_told(make_result: MakeResult, after: float, verdict: str) -> None:
    (found,) = compare_results([litert(make_result, 0.4, noise=0.01)], [litert(make_result, after, 3, noise=0.01)])
    assert found.verdict == verdict
    assert (found.measure, found.before) == ("ratio", pytest.approx(0.4, rel=0.01))


def test_what_one_run_alone_cannot_tell_repeated_runs_can(make_result: MakeResult) -> None:
    before = [litert(make_result, 0.4, seed, noise=0.005) for seed in range(3)]
    after = [litert(make_result, 0.41, 10 + seed, noise=0.005) for seed in range(3)]
    assert compare_results(before[:1], after[:1])[0].verdict == "no difference beyond the noise"
    assert compare_results(before, after)[0].verdict.endswith("slower")


def test_runs_that_differ_among_themselves_make_no_difference_between_commits(make_result: MakeResult) -> None:
    before = [litert(make_result, ratio, noise=0.005) for ratio in (0.38, 0.42, 0.40)]
    after = [litert(make_result, ratio, noise=0.005) for ratio in (0.41, 0.39, 0.43)]
    assert compare_results(before, after)[0].verdict == "no difference beyond the noise"


def test_how_a_run_wandered_is_how_far_two_single_runs_may_lie_apart(make_result: MakeResult) -> None:
    def wandering(*quarters: float) -> Result:
        return make_result("litert", [50.0] * 200, [ratio for ratio in quarters for _ in range(50)])

    steady, risen = wandering(0.4, 0.4, 0.4, 0.4), wandering(0.46, 0.46, 0.46, 0.46)
    restless = wandering(0.40, 0.44, 0.47, 0.46)
    (told,) = compare_results([steady], [risen])
    assert (told.verdict, told.assumed_spread) == ("15 % slower", UNKNOWN_SPREAD)
    (not_told,) = compare_results([steady], [restless])
    assert not_told.verdict == "no difference beyond the noise"
    assert not_told.assumed_spread == pytest.approx(0.07 / 0.45)
    assert compare_results([restless], [steady])[0].verdict == "no difference beyond the noise"
    (repeated,) = compare_results([steady, steady], [restless, restless])
    assert repeated.assumed_spread == 0  # the runs themselves say how far they lie apart


def test_a_target_that_took_turns_with_others_than_before_is_not_judged(make_result: MakeResult) -> None:
    alone = litert(make_result, 0.4, noise=0.01)
    others = {"interleaved_with": ["eager-fp32", "litert-fp32", "onnx-fp32"]}
    among_others = replace(alone, protocol=alone.protocol | others)
    (found,) = compare_results([alone], [among_others])
    assert (found.same_interleaving, found.verdict) == (False, "not judged: other targets took turns")
    (warning,) = [line for line in warnings_of([alone], [among_others]) if "took turns" in line]
    assert "(eager-fp32, litert-fp32 and eager-fp32, litert-fp32, onnx-fp32)" in warning
    assert compare_results([among_others], [among_others])[0].same_interleaving
    assert not compare_results([among_others], [among_others, alone])[0].same_interleaving


def test_the_reference_itself_is_compared_in_milliseconds(make_result: MakeResult) -> None:
    (found,) = compare_results([make_result()], [make_result(step_ms=[120.0] * 200)])
    assert (found.measure, found.verdict) == ("ms", "20 % slower")


def test_ratios_to_anything_but_eager_are_no_measure(make_result: MakeResult) -> None:
    def side(ms: float) -> list[Result]:
        rows = (make_result("litert", [ms] * 200, [1.0] * 170), make_result("onnx", [50.0] * 200, [50 / ms] * 170))
        base = {"interleaved_with": ["litert-fp32", "onnx-fp32"]}
        return [replace(one, protocol=one.protocol | base) for one in rows]

    litert, onnx = compare_results(side(40.0), side(60.0))
    assert (litert.measure, litert.verdict) == ("ms", "50 % slower")  # its own ratio is 1 on both sides
    assert (onnx.measure, onnx.verdict) == ("ms", "no difference beyond the noise")


def test_other_masks_are_part_of_the_verdict(make_result: MakeResult) -> None:
    before, after = litert(make_result, 0.4), litert(make_result, 0.4)
    assert after.quality is not None
    worse = replace(after, quality=replace(after.quality, j_and_f=(after.quality.j_and_f or 0) - 0.02))
    assert compare_results([before], [replace(worse)])[0].verdict == "no difference beyond the noise; J&F -2.0"


def test_rows_of_another_clip_or_number_of_threads_are_not_compared(make_result: MakeResult) -> None:
    one = make_result()
    assert compare_results([one], [replace(one, threads=4)]) == []
    assert compare_results([one], [replace(one, clip=replace(one.clip, height=720))]) == []
    assert compare_results([one], [replace(one, clip=replace(one.clip, memory_every=1))]) == []


def test_rows_of_several_phones_are_compared_phone_by_phone(make_result: MakeResult) -> None:
    def side(slow: float) -> list[Result]:
        return [
            make_result("executorch", step_ms=[ms] * 300, device=f"adb:{serial}")
            for serial, ms in (("fast", 50.0), ("slow", slow))
        ]

    fast, slow = compare_results(side(100.0), side(200.0))
    assert fast.key[1] == "fp32 on adb:fast"
    assert fast.verdict == "no difference beyond the noise"
    assert slow.verdict == "100 % slower"
    assert warnings_of(side(100.0), side(200.0)[:1]) == ["on one side alone: executorch fp32 on adb:slow, 2 threads"]


def test_what_makes_the_sides_less_than_comparable_is_said(make_result: MakeResult) -> None:
    one = make_result()
    machine = {"provenance": one.provenance | {"machine": {"processor": "another"}}}
    other = make_result("litert", status="INVALID", reasons=["too short"], **machine)
    warnings = " ".join(warnings_of([one], [other]))
    assert "do not count: litert fp32, 2 threads" in warnings
    assert "other machines (a processor and another)" in warnings
    assert "on one side alone: eager fp32" in warnings
    assert warnings_of([one], [one]) == []


def test_the_command_prints_a_verdict(
    make_result: MakeResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_results(tmp_path / "a" / RESULTS, [litert(make_result, 0.4)])
    write_results(tmp_path / "b" / RESULTS, [litert(make_result, 0.2)])
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b" / RESULTS)]) == 0
    assert "50 % faster" in capsys.readouterr().out
    report = tmp_path / "compared.json"
    command = ["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--json", str(report)]
    assert main(command) == 0
    (row,) = json.loads(report.read_text())["rows"]
    assert (row["target"], row["verdict"], row["measure"]) == ("litert", "50 % faster", "ratio")
    assert row["change"]["low"] < row["change"]["value"] < row["change"]["high"]
    capsys.readouterr()
    assert main(command) == 2
    assert "exists already" in capsys.readouterr().err
    write_results(tmp_path / "c" / RESULTS, [make_result("onnx")])
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "c")]) == 2
    assert "nothing in common" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "a")]) == 2


def test_each_side_of_the_command_takes_repeated_runs(
    make_result: MakeResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, ratio in (("a1", 0.40), ("a2", 0.40), ("b1", 0.41), ("b2", 0.41), ("with,comma", 0.41)):
        write_results(tmp_path / name / RESULTS, [litert(make_result, ratio, noise=0.005)])

    def verdict(*sides: str) -> str:
        assert main(["compare", *(",".join(f"{tmp_path}/{name}" for name in side.split()) for side in sides)]) == 0
        return capsys.readouterr().out

    assert "slower" in verdict("a1 a2", "b1 b2")
    assert "no difference" in verdict("a1 a2", "b1")  # of B, the spread between runs is not known
    assert "no difference" in verdict("a1", "with,comma")
    assert main(["compare", str(tmp_path / "a1"), ","]) == 2
