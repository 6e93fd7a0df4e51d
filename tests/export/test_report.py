"""What an export prints and writes."""

from __future__ import annotations

import io
import json
import math

from rich.console import Console

from export.operators import LeftOperator, OperatorReport
from export.parity import Difference
from export.report import ComponentReport, ExportReport, Measured, report_table
from mobilevos.golden import ClosedLoop, Tolerances
from mobilevos.golden.replay import FrameComparison, ObjectComparison

LEFT = LeftOperator("aten_topk_default", 2, "no rule takes [red]this[/red]")


def component(*left: LeftOperator, sqnr_db: float = 120.0) -> ComponentReport:
    operators = OperatorReport(77, 1, 4, left)
    measured = Measured(Difference(1e-6, 2e-7, sqnr_db, 130.0, 1.0), 12.34, 45.67)
    return ComponentReport(operators, 2_500_000, measured)


def printed(report: ExportReport, width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(report_table(report))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def told(report: ExportReport) -> str:
    """What is printed, lines that were wrapped made whole again."""
    return " ".join(printed(report).split())


def loop_of(pixels: int = 5000, **engine: str) -> ClosedLoop:
    frames = (FrameComparison(0, (ObjectComparison(1, pixels, 0.9987),), 1e-6),)
    return ClosedLoop(
        {"engine": "x", "versions": {}} | engine, frames, {"logits": math.inf}, Tolerances(1000, 0.9, 0.9, 1)
    )


def report_of(
    components: dict[str, ComponentReport], output: str = "out", loop: ClosedLoop | None = None
) -> ExportReport:
    loop = loop_of() if loop is None else loop
    return ExportReport("ExecuTorch", "XNNPACK", "fp32", output, 7_400_000, 61.2, components, loop)


def test_the_table_has_a_line_for_each_component() -> None:
    report = report_of({"decode": component(), "segment": component(sqnr_db=math.inf)}, "out/[mine]")
    text = printed(report)
    assert "ExecuTorch fp32, 7.4 MB in 61 s" in text
    assert "out/[mine]" in text
    assert "operators on XNNPACK" in text
    (line,) = (line for line in text.splitlines() if "decode" in line)
    for cell in ("77", "none", "1.0e-06", "120", "2.50", "12.3", "45.7"):
        assert cell in line
    assert "inf" in text
    assert report.all_delegated


def test_a_terminal_of_80_columns_shows_every_cell_whole() -> None:
    report = report_of({"encode_memory": component()})
    assert "…" not in printed(report, width=80)


def test_what_is_left_outside_is_named_with_count_and_reason_as_it_is() -> None:
    report = report_of({"read_memory": component(LEFT)})
    assert "2 x aten_topk_default: no rule takes [red]this[/red]" in printed(report)
    assert not report.all_delegated


def test_what_nobody_knows_is_neither_none_nor_true() -> None:
    operators = OperatorReport(77, 1, 4, (), placed=False)
    report = report_of({"decode": ComponentReport(operators, 2_500_000, None)})
    assert "unknown" in printed(report)
    assert report.to_json()["all_delegated"] is None


def test_the_closed_loop_is_told_whatever_came_out() -> None:
    report = report_of({"decode": component()})
    assert "closed loop: worst IoU 0.9987 (object 1, frame 0), mean 0.9987, of 1 masks on 1 of 1 frames" in told(report)
    report = report_of({"decode": component()}, loop=loop_of(pixels=999))
    assert "closed loop: no mask judged: none of 1,000 pixels or more" in told(report)


def test_what_evaluated_the_programs_is_told_where_it_is_not_the_runtime() -> None:
    report = report_of({"decode": component()}, loop=loop_of(evaluated="by an [understudy]"))
    assert "by an [understudy]" in printed(report)


def test_the_json_is_plain_data() -> None:
    report = report_of({"read_memory": component(LEFT, sqnr_db=math.inf)})
    facts = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert facts["all_delegated"] is False
    assert facts["components"]["read_memory"]["operators"]["left"][0]["operator"] == "aten_topk_default"
    assert facts["components"]["read_memory"]["difference"] == {
        "max_abs": 1e-6,
        "relative": 2e-7,
        "sqnr_db": None,
        "psnr_db": 130.0,
        "cosine": 1.0,
    }
    assert facts["closed_loop"]["worst_iou"] == 0.9987
    assert facts["closed_loop"]["tensors"] == {"logits": None}
