from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.figures import LongClip, column_of, place_figures, read_figures, shown_figures
from benchmarks.figures_command import README, figures_of
from benchmarks.results import Result
from mobilevos.contract import COMPONENTS
from mobilevos.errors import InputError
from mobilevos.files import sha256_of
from mobilevos.weights import default_checkpoint

MakeResult = Callable[..., Result]
REMEDY = "run `python -m benchmarks figures`"


def whole(result: Result) -> Result:
    """With times of every component."""
    assert result.timing is not None
    times = dict.fromkeys(COMPONENTS, result.timing.step)
    return replace(result, timing=replace(result.timing, single=times, components={}))


def test_the_readme_shows_what_was_recorded_in_todays_format() -> None:
    assert shown_figures(README.read_text()) == read_figures().markdown(), REMEDY


def test_no_figure_is_older_than_the_shipped_weights() -> None:
    assert read_figures().weights_sha256 == sha256_of(default_checkpoint()), REMEDY


def test_the_table_has_a_row_for_every_component_and_a_column_for_every_engine() -> None:
    record = read_figures()
    lines = [line for line in record.markdown()["speed"].splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert rows[0][1:] == [one.name for one in record.engines]
    assert [row[0] for row in rows[2:8]] == [*COMPONENTS, "whole step"]


def test_a_run_becomes_a_record_that_is_read_back(make_result: MakeResult, tmp_path: Path) -> None:
    results = [whole(make_result(ratio=[1.0] * 170)), whole(make_result("litert", [50.0] * 300, [0.47] * 260))]
    figures = figures_of(results, LongClip(1000, 1.001, 0.99))
    (tmp_path / "figures.json").write_text(figures.to_json())
    assert read_figures(tmp_path / "figures.json") == figures
    assert figures.engines[1].ratio["whole step"] == 0.47  # of steps on the same frame, not of the medians
    assert figures.engines[1].ratio["decode"] == 0.5
    assert "50.0 (0.47)" in figures.markdown()["speed"]
    assert "1.001 times" in figures.markdown()["memory"]


def test_a_result_that_does_not_count_is_not_shown(make_result: MakeResult) -> None:
    reference = whole(make_result())
    with pytest.raises(InputError, match="too short"):
        column_of(whole(make_result("litert", status="INVALID", reasons=["too short"])), reference)
    with pytest.raises(InputError, match="no times of encode_query, read_memory, decode"):
        column_of(make_result("litert"), reference)


def test_figures_go_between_their_markers_and_nowhere_else() -> None:
    text = "before\n<!-- figures:a -->\nold\n<!-- /figures:a -->\nafter\n"
    placed = place_figures(text, {"a": "new\n"})
    assert placed == text.replace("old", "new")
    assert shown_figures(placed) == {"a": "new\n"}


@pytest.mark.parametrize("figures", [{}, {"a": "", "b": ""}])
def test_a_figure_without_a_place_and_a_place_without_a_figure_are_one_line(figures: dict[str, str]) -> None:
    with pytest.raises(InputError, match="has no place"):
        place_figures("<!-- figures:a -->\n<!-- /figures:a -->\n", figures)


def test_a_record_that_is_none_is_one_line(tmp_path: Path) -> None:
    for content in ("[", "{}", '{"format": 1}', '{"format": 2}'):
        (tmp_path / "figures.json").write_text(content)
        with pytest.raises(InputError, match="no record of figures"):
            read_figures(tmp_path / "figures.json")
    with pytest.raises(InputError, match="cannot read"):
        read_figures(tmp_path / "nothing.json")
