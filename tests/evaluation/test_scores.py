"""Results: means over objects, G over categories, and what is written of them."""

import io
import json

import pytest
from rich.console import Console

from mobilevos.evaluation import DatasetScore, ObjectScore, SequenceScore, Statistics, score_table


def item(object_id: int, j: float, f: float, category: str | None = None) -> ObjectScore:
    return ObjectScore(object_id, 10, Statistics(j, 1.0, 0.1), Statistics(f, 0.5, -0.1), category)


DAVIS = DatasetScore(
    (
        SequenceScore("goat", (item(1, 0.9, 0.7),)),
        SequenceScore("camel", (item(1, 0.6, 0.6), item(2, 0.3, 0.5))),
    )
)
YOUTUBE = DatasetScore(
    (
        SequenceScore("0a", (item(1, 0.8, 0.9, "ape"), item(2, 0.6, 0.7, "cat"))),
        SequenceScore("0b", (item(1, 0.5, 0.4, "spider"), item(2, 0.0, 0.0, None))),
    )
)


def test_a_data_set_is_the_mean_over_objects_and_not_over_sequences() -> None:
    assert DAVIS.j.mean == pytest.approx((0.9 + 0.6 + 0.3) / 3)
    assert DAVIS.f.mean == pytest.approx((0.7 + 0.6 + 0.5) / 3)
    assert DAVIS.j_and_f == pytest.approx(0.6)
    assert (DAVIS.j.recall, DAVIS.f.recall) == (1.0, 0.5)
    assert DAVIS.j.decay == pytest.approx(0.1)
    assert DAVIS.sequences[1].j_and_f == pytest.approx(0.5)


def test_g_is_the_mean_of_seen_and_unseen() -> None:
    categories = YOUTUBE.categories
    assert categories is not None
    assert categories.j_seen == pytest.approx(0.7)
    assert categories.f_seen == pytest.approx(0.8)
    assert (categories.j_unseen, categories.f_unseen) == (0.5, 0.4)
    assert categories.g == pytest.approx((0.7 + 0.8 + 0.5 + 0.4) / 4)


def test_there_is_no_g_without_both_kinds_of_category() -> None:
    assert DAVIS.categories is None
    assert DatasetScore(YOUTUBE.sequences[:1]).categories is None


def test_json_holds_every_statistic() -> None:
    content = json.loads(json.dumps(YOUTUBE.to_json()))
    assert content["j_and_f"] == pytest.approx(YOUTUBE.j_and_f)
    assert content["categories"]["g"] == pytest.approx(0.6)
    assert list(content["sequences"]) == ["0a", "0b"]
    first = content["sequences"]["0a"]
    assert first["j"] == {"mean": pytest.approx(0.7), "recall": 1.0, "decay": pytest.approx(0.1)}
    assert first["f"]["decay"] == pytest.approx(-0.1)
    assert first["objects"]["2"]["category"] == "cat"
    assert first["objects"]["2"]["j_and_f"] == pytest.approx(0.65)
    assert "categories" not in DAVIS.to_json()


def test_the_table_shows_sequences_and_the_whole_in_percent() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(score_table(YOUTUBE))
    text = console.export_text()
    row = next(line for line in text.splitlines() if "0a" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        *("0a", "2", "75.0", "70.0", "100.0", "10.0", "80.0", "50.0", "-10.0")
    ]
    assert "all 2" in text
    assert "G 60.0: seen J 70.0 F 80.0, unseen J 50.0 F 40.0" in text
