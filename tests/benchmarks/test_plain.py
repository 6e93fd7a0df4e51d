import json
from pathlib import Path

import pytest

from benchmarks.noise import Interval
from benchmarks.plain import MARGIN, PLAIN, Comparison, compare, main

PARTS = ("read_memory", "segment")


def test_both_are_called_in_turn_and_every_other_turn_runs_backwards() -> None:
    order: list[str] = []
    found = compare(lambda: order.append("bundle"), lambda: order.append("plain"), turns=3)
    assert order == ["bundle", "plain", "plain", "bundle"] * 3
    assert found.ratio.low <= found.ratio.value <= found.ratio.high


def test_slower_is_what_the_noise_cannot_explain() -> None:
    assert not Comparison(11, 10, Interval(1.1, 1.04, 1.2)).slower
    assert Comparison(11, 10, Interval(1.1, 1.06, 1.2)).slower


@pytest.mark.slow
@pytest.mark.executorch
@pytest.mark.tflite
@pytest.mark.onnx
def test_components_of_every_target_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--size", "64x96", "--turns", "3", "--threads", "1", "--components", ",".join(PARTS)]
    code = main([*arguments, "--output", str(tmp_path)])
    targets = json.loads((tmp_path / "plain.json").read_text())["targets"]
    assert set(targets) == set(PLAIN)
    for parts in targets.values():
        assert set(parts) == set(PARTS)
        assert all(one["bundle_ms"] > 0 and one["plain_ms"] > 0 for one in parts.values())
    slower = [one for parts in targets.values() for one in parts.values() if one["ratio"]["low"] > 1 + MARGIN]
    printed = capsys.readouterr().out
    assert "plain, ms" in printed
    assert printed.count("slower") == len(slower)
    assert code == bool(slower)


@pytest.mark.parametrize(("option", "value"), [("--targets", "coreml"), ("--components", "segmnt")])
def test_a_name_that_is_none_is_one_line(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([option, value]) == 2
    assert f"{option} '{value}'" in capsys.readouterr().err
