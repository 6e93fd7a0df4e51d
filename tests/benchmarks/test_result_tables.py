from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO

import pytest
from rich.console import Console

from benchmarks.distribution_table import DISTRIBUTION_HEADERS, distribution_rows
from benchmarks.page import result_page
from benchmarks.plots import running_median
from benchmarks.result_tables import RESULT_TABLES, print_results, remarks, result_markdown
from benchmarks.results import Result

MakeResult = Callable[..., Result]


@pytest.fixture
def results(make_result: MakeResult) -> list[Result]:
    """The reference, one that does not count, and one that was skipped."""
    short = make_result("litert", [40.0] * 300, [0.4] * 260, status="INVALID", reasons=["9 timed steps"])
    skipped = make_result("onnx", status="skipped", reasons=["no toolkit"], timing=None, quality=None, work=None)
    return [make_result(), short, skipped]


class Page(HTMLParser):
    """The elements and the text of a page, and what it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_markdown_has_a_row_for_each_that_was_measured(results: list[Result]) -> None:
    text = result_markdown(results)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == len(RESULT_TABLES) * (2 + 2)
    assert rows[2][:6] == ["eager fp32", "2", "100.0", "100.0", "100.0", "-"]
    assert rows[3][:6] == ["litert fp32 (INVALID)", "2", "40.0", "40.0", "40.0", "0.40"]


def test_every_reason_is_said(results: list[Result]) -> None:
    text = result_markdown(results)
    assert "litert fp32, 2 threads, INVALID: 9 timed steps" in text
    assert "onnx fp32, 2 threads, skipped: no toolkit" in text


def with_alone(result: Result, calls: int) -> Result:
    """As if each component had been called alone in so many steps."""
    assert result.timing is not None
    step = replace(result.timing.step, count=calls)
    names = ("encode_query", "read_memory", "decode")
    alone = dict.fromkeys(names, step) | {"encode_memory": replace(step, count=-(-calls // 5))}
    return replace(result, timing=replace(result.timing, single=alone))


def test_the_components_table_says_of_how_many_calls_it_is(make_result: MakeResult) -> None:
    text = result_markdown([with_alone(make_result(), 34)])
    assert "| eager fp32 | 2 | 100.0 | 100.0 | 100.0 | 100.0 | 34 (7) |" in text
    assert "with each component called alone 32 and 2.5 s" in text


def test_components_of_too_few_calls_are_marked(make_result: MakeResult) -> None:
    line = "eager fp32, 2 threads, components alone: 31 steps, and 32 are the least"
    assert line in remarks([with_alone(make_result(), 31)])
    assert not [one for one in remarks([with_alone(make_result(), 32)]) if "components alone" in one]


def test_the_tables_fit_a_terminal_of_80_columns(results: list[Result], make_result: MakeResult) -> None:
    console = Console(file=StringIO(), width=80)
    print_results([*results, make_result("executorch-pip", [150.0] * 300, [1.37] * 260)], console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert all(line.rstrip()[-1] == line[0] for line in text.splitlines() if line[:1] in tuple("┃│"))  # none is cut off
    assert "INVALID" in text


def test_the_page_holds_everything_and_fetches_nothing(results: list[Result]) -> None:
    page = Page(result_page(results))
    assert page.tags.count("table") == len(RESULT_TABLES) + 1
    assert page.tags.count("img") == 4
    assert page.sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    assert "no toolkit" in page.text
    assert "c" * 40 in page.text


def test_rows_of_several_phones_are_told_apart_everywhere(make_result: MakeResult) -> None:
    phones = []
    for serial, model in (("S1", "Pixel 8"), ("S2", "Galaxy S22")):
        row = make_result("executorch", device=f"adb:{serial}")
        phones.append(replace(row, provenance=row.provenance | {"machine": {"processor": model}}))
    text, page = result_markdown(phones), Page(result_page(phones)).text
    assert "adb:S1: Pixel 8, adb:S2: Galaxy S22" in text
    for name in ("executorch fp32 on S1", "executorch fp32 on S2"):
        assert text.count(f"| {name} |") == len(RESULT_TABLES)
        assert f"{name}, 2 threads" in page
    assert "Pixel 8" in page.partition("Provenance")[2]
    assert "Galaxy S22" in page.partition("Provenance")[2]


def test_a_name_in_a_page_is_text_and_no_markup(make_result: MakeResult) -> None:
    page = Page(result_page([make_result(note="<script>alert(1)</script>")]))
    assert "script" not in page.tags
    assert "<script>" in page.text


def test_the_same_results_give_the_same_page(results: list[Result]) -> None:
    assert result_page(results) == result_page(results)


def test_a_running_median_keeps_level_and_order() -> None:
    x, y = running_median([1.0] * 1000 + [2.0] * 1000)
    assert len(x) == len(y) == 400
    assert x == sorted(x)
    assert y == sorted(y)
    assert (y[0], y[-1]) == (1.0, 2.0)


def test_a_run_that_throttled_is_flagged(make_result: MakeResult) -> None:
    result = make_result()
    thermal = {"throttled": True, "reasons": ["the phone says: severe"]}
    hot = replace(result, provenance={**result.provenance, "thermal": thermal})
    assert f"{hot.name}, throttled: the phone says: severe" in remarks([hot])
    assert "throttled" not in result_markdown([result])
    assert "throttled: the phone says: severe" in result_markdown([hot])


def test_a_run_that_was_not_fair_is_flagged(make_result: MakeResult) -> None:
    result = make_result()
    low = replace(result, provenance={**result.provenance, "thermal": {"unfair": ["its battery is at 9 %"]}})
    assert f"{low.name}, not measured fairly: its battery is at 9 %" in remarks([low])


def test_the_work_of_a_frame_is_shown(results: list[Result]) -> None:
    lines = [line for line in result_markdown(results).splitlines() if line.startswith("|")]
    (header,) = [line for line in lines if "GMACs" in line]
    place = header.split("|").index(" GMACs ")
    rows = lines[lines.index(header) + 2 :][:2]
    assert [row.split("|")[place].strip() for row in rows] == ["3.40", "3.40"]  # 3 of the step, a fifth of 2
    assert "GMACs" in Page(result_page(results)).text


def test_the_page_has_every_statistic_of_every_component_and_step(make_result: MakeResult) -> None:
    result = make_result(step_ms=[50.0] * 10 + [float(k) for k in range(100, 290)])
    rows = {row[2]: dict(zip(DISTRIBUTION_HEADERS, row, strict=True)) for row in distribution_rows([result])}
    assert list(rows) == [
        "whole step",
        "encode_memory, in the loop",
        "segment, in the loop",
        "encode_memory, alone",
        "segment, alone",
    ]
    assert result.timing is not None
    step = result.timing.step
    shown = {name: rows["whole step"][name] for name in ("min", "p50", "p90", "p99", "mean", "std")}
    assert shown == {name: f"{getattr(step, name):.2f}" for name in shown}
    assert (rows["whole step"]["calls"], rows["whole step"]["GMACs"]) == (f"{step.count}", "3.40")
    memory = rows["encode_memory, alone"]
    assert (memory["p50"], memory["std"], memory["GMACs"], memory["GFLOP/s"]) == ("2.00", "0.00", "2.00", "2000")
    page = Page(result_page([result])).text
    assert all(cell in page for row in rows.values() for cell in row.values())
    assert distribution_rows([replace(result, timing=None)]) == []


def test_what_limit_and_size_mean_is_said(results: list[Result]) -> None:
    for text in (result_markdown(results), Page(result_page(results)).text):
        assert (
            "the share reached of this machine's matrix products in float32, also where a row computes in int8" in text
        )
        assert "of eager: its checkpoint, float16 as shipped" in text
    assert "Model: the programs that the loop runs" in Page(result_page(results)).text
