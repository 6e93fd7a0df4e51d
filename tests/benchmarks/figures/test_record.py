"""The README's figures: in today's format, of today's weights, and put where they belong."""

import hashlib
import re
from pathlib import Path

import pytest

from benchmarks.figures.command import FIGURES, README, recorded_markdown
from benchmarks.figures.figure import Measurement
from benchmarks.figures.record import RECORD, keep, place_figures, read_record, shipped_weights, shown_figures
from benchmarks.growth import MEMORY_LIMIT, TIME_LIMIT
from benchmarks.noise import Interval
from benchmarks.plain import Comparison
from mobilevos.errors import InputError

REMEDY = "run `python -m benchmarks figures`"


def test_the_readme_shows_what_was_recorded_in_todays_format() -> None:
    assert shown_figures(README.read_text()) == recorded_markdown(), REMEDY
    assert set(read_record()) == set(FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_no_figure_is_older_than_the_shipped_weights(name: str) -> None:
    assert read_record()[name].weights == shipped_weights(), REMEDY


def test_every_picture_of_the_readme_is_the_recorded_one() -> None:
    recorded = {name: digest for entry in read_record().values() for name, digest in entry.pictures.items()}
    shown = re.findall(r"benchmarks/figures/([\w.]+\.svg)", README.read_text())
    assert sorted(shown) == sorted(recorded)
    for name, digest in recorded.items():
        assert hashlib.sha256((RECORD.parent / name).read_bytes()).hexdigest() == digest, REMEDY


def test_no_recorded_bundle_is_slower_than_its_plain_conversion() -> None:
    for target, parts in read_record()["plain"].content["targets"].items():
        for part, one in parts.items():
            intervals = {name: Interval(**one[name]) for name in ("ratio", "twins")}
            assert not Comparison(**one | intervals).slower, (target, part)


def test_the_recorded_long_run_is_flat() -> None:
    for engine, of in read_record()["growth"].content["long"].items():
        assert of["memory_ratio"] <= MEMORY_LIMIT, engine
        assert of["time_ratio"] <= TIME_LIMIT, engine


def test_a_figure_is_kept_beside_the_others(tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    keep("sizes", Measurement({"a": 1}, {"a.svg": b"<svg/>"}), record)
    keep("trust", Measurement({"b": 2}), record)
    keep("sizes", Measurement({"a": 3}), record)
    found = read_record(record)
    assert {name: entry.content for name, entry in found.items()} == {"sizes": {"a": 3}, "trust": {"b": 2}}
    assert found["trust"].weights == shipped_weights()
    assert (tmp_path / "a.svg").read_bytes() == b"<svg/>"


def test_figures_go_between_their_markers_and_nowhere_else() -> None:
    text = "before\n<!-- figures:a -->\nold\n<!-- /figures:a -->\nafter\n"
    placed = place_figures(text, {"a": "new\n"})
    assert placed == text.replace("old", "new")
    assert shown_figures(placed) == {"a": "new\n"}


@pytest.mark.parametrize("figures", [{}, {"a": "", "b": ""}])
def test_a_figure_without_a_place_and_a_place_without_a_figure_are_one_line(figures: dict[str, str]) -> None:
    with pytest.raises(InputError, match="has no place"):
        place_figures("<!-- figures:a -->\n<!-- /figures:a -->\n", figures)


@pytest.mark.parametrize("content", ["[", "[]", "{}", '{"format": 2}', '{"format": 1, "figures": {}}'])
def test_a_record_that_is_none_is_one_line(content: str, tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text(content)
    with pytest.raises(InputError, match="no record of figures"):
        read_record(tmp_path / "record.json")
    with pytest.raises(InputError, match="no record of figures"):
        keep("sizes", Measurement({}), tmp_path / "record.json")
    assert (tmp_path / "record.json").read_text() == content


def test_a_record_that_is_missing_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_record(tmp_path / "nothing.json")
