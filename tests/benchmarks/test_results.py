import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.jobs import Skipped
from benchmarks.results import INVALID, RESULTS, VALID, Result, read_results, write_results
from mobilevos.errors import InputError

MakeResult = Callable[..., Result]


def test_what_was_written_is_read(make_result: MakeResult, tmp_path: Path) -> None:
    results = [make_result(), make_result("litert", [40.0] * 300, [0.4] * 260)]
    write_results(tmp_path / RESULTS, results)
    assert read_results(tmp_path) == read_results(tmp_path / RESULTS) == results


def test_a_result_against_the_schema_is_not_written(make_result: MakeResult, tmp_path: Path) -> None:
    for wrong in (
        make_result(status="fine"),
        make_result(precision="fp64"),
        make_result(status=INVALID, reasons=[]),  # a row that does not count must say why
        make_result(status=VALID, reasons=["too short"]),
        make_result(peak_rss_bytes=-1),
    ):
        with pytest.raises(ValueError, match="result of eager"):
            write_results(tmp_path / RESULTS, [wrong])
    assert not (tmp_path / RESULTS).exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is not JSON"),
        ("{}", "line 2 is no result"),
        ('{"schema": 2}', "line 2 is no result"),
        ("[]", "line 2 is no result"),
    ],
)
def test_a_damaged_line_is_named(make_result: MakeResult, tmp_path: Path, line: str, message: str) -> None:
    write_results(tmp_path / RESULTS, [make_result()])
    with (tmp_path / RESULTS).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match=message):
        read_results(tmp_path)


def test_a_number_that_is_none_is_refused(make_result: MakeResult, tmp_path: Path) -> None:
    write_results(tmp_path / RESULTS, [make_result()])
    facts = json.loads((tmp_path / RESULTS).read_text())
    facts["timing"]["step"]["p50"] = None
    (tmp_path / RESULTS).write_text(json.dumps(facts))
    with pytest.raises(InputError, match=r"timing\.step\.p50"):
        read_results(tmp_path)


def test_no_file_and_an_empty_file_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_results(tmp_path)
    (tmp_path / RESULTS).touch()
    with pytest.raises(InputError, match="holds no results"):
        read_results(tmp_path)


def test_a_skipped_target_has_a_row_with_its_reason(make_result: MakeResult, tmp_path: Path) -> None:
    from benchmarks.evaluation import RunFacts, skipped_result
    from benchmarks.protocol import QUICK

    base = make_result()
    origin = {name: base.provenance[name] for name in ("commit", "machine", "time")}
    facts = RunFacts("host", 1, base.clip, QUICK, (), {}, None, origin)
    write_results(tmp_path / RESULTS, [skipped_result(Skipped("litert", "int8", "no toolkit"), facts)])
    (row,) = read_results(tmp_path)
    assert (row.status, row.reasons, row.timing) == ("skipped", ["no toolkit"], None)
