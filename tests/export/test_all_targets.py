"""`python -m export all`: each target into its own folder, and one that cannot be had does not stop the others."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import pytest
from rich.console import Console

from export import all_targets
from export.__main__ import main
from export.all_targets import Outcome, exit_code, outcome_table
from export.operators import LeftOperator, OperatorReport
from export.parity import Difference
from export.reference import Reference
from export.report import ComponentReport, ExportReport, Measured
from export.targets import TARGETS
from mobilevos.bundle import Bundle
from mobilevos.golden import ClosedLoop, Tolerances
from mobilevos.golden.replay import FrameComparison, ObjectComparison

TORCHSCRIPT = TARGETS["torchscript"]
ABSENT = replace(TORCHSCRIPT, name="absent", packages={"no_such_package": "no-such-package"}, extra="dreams")
COARSE = replace(TORCHSCRIPT, name="coarse", precisions=("fp16",))


def exported(*left: LeftOperator, pixels: int = 5000, ms: float = 1.0, name: str = "onnx") -> Outcome:
    operators = OperatorReport(5, 1, 0, left)
    component = ComponentReport(operators, 9, Measured(Difference(0, 0, 60.0, 60.0, 1), ms, 2 * ms))
    frames = (FrameComparison(0, (ObjectComparison(1, pixels, 0.99871),), 1e-6),)
    loop = ClosedLoop({"engine": "x", "versions": {}}, frames, {}, Tolerances(1000, 0.9, 0.9, 1))
    report = ExportReport("ONNX", "CPU", "fp32", "x", 9, 1.5, {"segment": component}, loop)
    return Outcome(name, "exported", report=report)


NOT_OFFERED = Outcome("torchscript", "not offered", "offers fp32 and fp16, not int8")
SKIPPED, FAILED = Outcome("tflite", "skipped", "not installed"), Outcome("coreml", "failed", "wrong numbers")
LEFT = LeftOperator("topk", 3, "no rule")


@pytest.mark.parametrize(
    ("outcomes", "code", "strict_code"),
    [
        ([exported()], 0, 0),
        ([exported(), SKIPPED], 0, 1),
        ([exported(), NOT_OFFERED], 0, 0),
        ([exported(LEFT)], 0, 1),
        ([FAILED, exported(), SKIPPED], 2, 2),
    ],
)
def test_the_exit_code(outcomes: list[Outcome], code: int, strict_code: int) -> None:
    assert exit_code(outcomes, strict=False) == code
    assert exit_code(outcomes, strict=True) == strict_code


def test_the_table_has_a_line_for_each_target_in_80_columns() -> None:
    console = Console(file=io.StringIO(), width=80, color_system=None)
    slow = exported(LEFT, ms=1234.5, name="torchscript")
    console.print(outcome_table([exported(LEFT), exported(pixels=9), slow, SKIPPED, FAILED, NOT_OFFERED]))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "…" not in text
    cells = [line.split() for line in text.splitlines()]
    assert ["onnx", "exported", "5", "3", "60", "0.9987", "0.0", "1.0", "2.0", "2"] in cells
    assert ["onnx", "exported", "5", "0", "60", "none", "0.0", "1.0", "2.0", "2"] in cells
    assert ["torchscript", "exported", "5", "3", "60", "0.9987", "0.0", "1234.5", "2469.0", "2"] in cells
    assert ["tflite", "skipped"] in cells
    assert ["coreml", "failed"] in cells
    assert ["torchscript", "not", "offered"] in cells


def test_what_cannot_be_had_is_listed_and_the_rest_is_exported(
    random_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(all_targets, "TARGETS", {one.name: one for one in (ABSENT, COARSE, TORCHSCRIPT)})
    arguments = ["--checkpoint", random_checkpoint, "--size", "32x48", "--output", tmp_path, "--json", tmp_path / "j"]
    assert main(["all", *map(str, arguments)]) == 0
    text = capsys.readouterr().out
    assert "absent: not installed: pip install 'mobilevos[dreams]'" in text
    assert "coarse: offers fp16, not fp32" in text
    assert Bundle.open(tmp_path / "torchscript").target == "torchscript"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["j", "torchscript"]
    facts = json.loads((tmp_path / "j").read_text())
    assert {name: one["state"] for name, one in facts.items()} == {
        "absent": "skipped",
        "coarse": "not offered",
        "torchscript": "exported",
    }


def test_the_reference_runs_once_for_all_targets(
    random_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    recorded = Reference.golden.func
    golden = cached_property(lambda self: runs.append(1) or recorded(self))
    golden.__set_name__(Reference, "golden")
    monkeypatch.setattr(Reference, "golden", golden)
    monkeypatch.setattr(all_targets, "TARGETS", {"one": TORCHSCRIPT, "two": replace(TORCHSCRIPT, title="again")})
    arguments = ["--checkpoint", random_checkpoint, "--size", "32x48", "--output", tmp_path, "--overwrite"]
    assert main(["all", *map(str, arguments)]) == 0
    assert runs == [1]


def test_a_target_that_fails_is_named_and_the_exit_code_tells(
    random_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(all_targets, "TARGETS", {"torchscript": TORCHSCRIPT})
    (tmp_path / "torchscript").mkdir()
    arguments = ["--checkpoint", random_checkpoint, "--size", "32x48", "--output", tmp_path]
    assert main(["all", *map(str, arguments)]) == 2
    assert f"torchscript: {tmp_path / 'torchscript'} exists already" in capsys.readouterr().out


def test_a_precision_that_no_target_offers_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["all", "--precision", "fp64", "--output", str(tmp_path / "new")]) == 2
    assert capsys.readouterr().err == "mobilevos: error: --precision fp64; expected fp32 or fp16 or int8\n"
    assert list(tmp_path.iterdir()) == []
