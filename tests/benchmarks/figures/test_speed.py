from collections.abc import Callable
from dataclasses import replace

import pytest

from benchmarks.figures.speed import SPEED, content_of, row_of
from benchmarks.results import Result
from mobilevos.contract import COMPONENTS
from mobilevos.errors import InputError

MakeResult = Callable[..., Result]


def whole(result: Result) -> Result:
    """With times of every component."""
    assert result.timing is not None
    times = dict.fromkeys(COMPONENTS, result.timing.step)
    return replace(result, timing=replace(result.timing, single=times, components={}))


def test_a_run_becomes_a_table_with_a_row_for_every_engine(make_result: MakeResult) -> None:
    results = [whole(make_result(ratio=[1.0] * 170)), whole(make_result("litert", [50.0] * 300, [0.47] * 260))]
    content = content_of(results)
    row = content["engines"][1]
    assert row["ratio"]["whole step"] == 0.47  # of steps on the same frame, not of the medians
    assert row["ratio"]["decode"] == 0.5
    lines = [line for line in SPEED.markdown(content).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert cells[0] == ["p50, ms (ratio)", *COMPONENTS, "whole step", "J&F"]
    assert [line[0] for line in cells[2:]] == [one.name for one in results]
    assert cells[3][-2] == "50.0 (0.47)"


def test_a_result_that_does_not_count_is_not_shown(make_result: MakeResult) -> None:
    reference = whole(make_result())
    with pytest.raises(InputError, match="too short"):
        row_of(whole(make_result("litert", status="INVALID", reasons=["too short"])), reference)
    with pytest.raises(InputError, match="no times of encode_query, read_memory, decode"):
        row_of(make_result("litert"), reference)


def test_the_text_says_what_j_and_f_and_the_sizes_are_of(make_result: MakeResult) -> None:
    text = " ".join(SPEED.markdown(content_of([whole(make_result())])).split())
    assert "J&F, here and in the picture, is of the synthetic clip that the engines are timed on" in text
    assert "of eager its float16 checkpoint" in text
