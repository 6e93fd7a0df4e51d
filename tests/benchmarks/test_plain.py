import json
from pathlib import Path

import pytest

from benchmarks.plain import PLAIN, compare, main

PARTS = ("read_memory", "segment")


def test_both_are_called_in_turn_and_every_other_turn_runs_backwards() -> None:
    order: list[str] = []
    found = compare(lambda: order.append("bundle"), lambda: order.append("plain"), turns=3)
    assert order == ["bundle", "plain", "plain", "bundle"] * 3
    assert found.ratio.low <= found.ratio.value <= found.ratio.high


@pytest.mark.slow
@pytest.mark.executorch
@pytest.mark.tflite
@pytest.mark.onnx
def test_components_of_every_target_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--size", "64x96", "--turns", "3", "--threads", "1", "--components", ",".join(PARTS)]
    assert main([*arguments, "--output", str(tmp_path)]) == 0
    targets = json.loads((tmp_path / "plain.json").read_text())["targets"]
    assert set(targets) == set(PLAIN)
    for parts in targets.values():
        assert set(parts) == set(PARTS)
        assert all(one["bundle_ms"] > 0 and one["plain_ms"] > 0 for one in parts.values())
    assert "plain, ms" in capsys.readouterr().out


@pytest.mark.parametrize(("option", "value"), [("--targets", "coreml"), ("--components", "segmnt")])
def test_a_name_that_is_none_is_one_line(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([option, value]) == 2
    assert f"{option} '{value}'" in capsys.readouterr().err
