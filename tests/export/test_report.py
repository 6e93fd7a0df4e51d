"""What an export prints and writes."""

from __future__ import annotations

import io
import json
import math

from rich.console import Console

from export.delegation import DelegationReport, LeftOperator
from export.parity import Difference
from export.report import ComponentReport, ExportReport, report_table

LEFT = LeftOperator("aten_topk_default", 2, "no rule takes [red]this[/red]")


def component(*left: LeftOperator, sqnr_db: float = 120.0) -> ComponentReport:
    operators = DelegationReport(77, 1, 4, left)
    return ComponentReport(operators, Difference(1e-6, 2e-7, sqnr_db), 12.34, 45.67, 2_500_000)


def printed(report: ExportReport, width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(report_table(report))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_has_a_line_for_each_component() -> None:
    report = ExportReport(
        "out/[mine]", 7_400_000, 61.2, {"decode": component(), "segment": component(sqnr_db=math.inf)}
    )
    text = printed(report)
    assert "out/[mine]: 7.4 MB in 61 s" in text
    (line,) = (line for line in text.splitlines() if "decode" in line)
    for cell in ("77", "none", "1.0e-06", "120", "2.50", "12.3", "45.7"):
        assert cell in line
    assert "inf" in text
    assert report.all_delegated


def test_a_terminal_of_80_columns_shows_every_cell_whole() -> None:
    report = ExportReport("out", 1, 1, {"encode_memory": component()})
    assert "…" not in printed(report, width=80)


def test_what_is_left_outside_is_named_with_count_and_reason_as_it_is() -> None:
    report = ExportReport("out", 1, 1, {"read_memory": component(LEFT)})
    assert "2 x aten_topk_default: no rule takes [red]this[/red]" in printed(report)
    assert not report.all_delegated


def test_the_json_is_plain_data() -> None:
    report = ExportReport("out", 7, 1.5, {"read_memory": component(LEFT, sqnr_db=math.inf)})
    facts = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert facts["all_delegated"] is False
    assert facts["components"]["read_memory"]["operators"]["left"][0]["operator"] == "aten_topk_default"
    assert facts["components"]["read_memory"]["difference"] == {"max_abs": 1e-6, "relative": 2e-7, "sqnr_db": None}
