import json
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest

from benchmarks.jobs import Workload, bundle_folder
from benchmarks.noise import Interval
from benchmarks.plain import MARGIN, PLAIN, Comparison, compare, main

PARTS = ("read_memory", "segment")
EVEN = Comparison(1, 1, Interval(1, 1, 1))


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
def test_components_of_every_target_are_compared(
    random_checkpoint: Path, bundle_of: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for target in PLAIN:
        copytree(bundle_of(target), bundle_folder(tmp_path / "bundles", target, "fp32", Workload((64, 96))))
    arguments = ["--checkpoint", str(random_checkpoint), "--size", "64x96", "--turns", "3", "--threads", "1"]
    code = main([*arguments, "--components", ",".join(PARTS), "--output", str(tmp_path)])
    targets = json.loads((tmp_path / "plain.json").read_text())["targets"]
    assert set(targets) == set(PLAIN)
    for parts in targets.values():
        assert set(parts) == set(PARTS)
        assert all(one["bundle_ms"] > 0 and one["plain_ms"] > 0 for one in parts.values())
    slower = [
        f"{name} {component}"
        for name, parts in targets.items()
        for component, one in parts.items()
        if one["ratio"]["low"] > 1 + MARGIN
    ]
    printed = capsys.readouterr().out
    assert "plain, ms" in printed
    last = printed.strip().splitlines()[-1]
    assert last.endswith(f"beyond the noise: {', '.join(slower)}" if slower else "plain.json")
    assert code == bool(slower)


@pytest.mark.parametrize(("high", "code"), [(1.2, 1), (1.04, 0)])
def test_what_is_slower_is_named(
    high: float, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {"onnx": {"segment": Comparison(high, 1, Interval(high, high, high)), "read_memory": EVEN}}
    monkeypatch.setattr("benchmarks.plain.compare_targets", lambda *_: found)
    assert main(["--output", str(tmp_path)]) == code
    assert ("slower than plain by more than 5 %, beyond the noise: onnx segment\n" in capsys.readouterr().out) == code


@pytest.mark.parametrize(("option", "value"), [("--targets", "coreml"), ("--components", "segmnt")])
def test_a_name_that_is_none_is_one_line(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([option, value]) == 2
    assert f"{option} '{value}'" in capsys.readouterr().err
