import re

import pytest

from benchmarks.__main__ import main
from benchmarks.peers import read_peers


def test_every_peer_names_its_source_and_the_hardware_of_its_speed() -> None:
    peers = read_peers()
    assert len(peers) > 5
    for peer in peers:
        assert peer.source
        assert peer.hardware
        assert re.fullmatch(r"[\d.]+ (FPS|(ms|s) a frame)", peer.speed)
        assert peer.parameters_millions is None or 0 < peer.parameters_millions < 100
        assert all(score is None or 50 < score < 100 for score in (peer.davis16, peer.davis17))
        assert set(peer.approximate) <= {"davis16", "davis17"}


def test_every_peer_names_the_paper_that_its_numbers_stand_in(capsys: pytest.CaptureFixture[str]) -> None:
    assert all(re.match(r"arXiv:\d{4}\.\d{5}", peer.pointer) for peer in read_peers())
    assert main(["peers", "--markdown"]) == 0
    assert "Xiong et al., Efficient Track Anything, 2024 (arXiv:2411.18933, table 1)" in capsys.readouterr().out


def test_no_number_is_cut_off_in_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["peers"]) == 0
    shown = capsys.readouterr().out.split()
    for peer in read_peers():
        assert set(peer.cells(1)[3:]) <= set(shown)


def test_what_is_not_stated_is_a_dash() -> None:
    (osvos,) = [peer for peer in read_peers() if peer.name == "OSVOS"]
    assert osvos.cells(9) == ("OSVOS [9]", "9 s a frame", "not named", "-", "80.2", "60.25")


def test_the_table_says_that_nothing_in_it_was_measured_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["peers"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "as stated" in text
    assert "Nothing here was measured by this project" in text


def test_the_markdown_has_a_row_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["peers", "--markdown"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(read_peers())
    assert "~85.6" in rows[2]


@pytest.mark.parametrize("options", [[], ["--markdown"]])
@pytest.mark.parametrize("columns", ["80", "200"])
def test_the_source_of_a_row_is_found_by_its_number(
    options: list[str], columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["peers", *options]) == 0
    table, _, below = capsys.readouterr().out.partition("As their authors state them")
    found = re.findall(r"^(?:\[(\d+)\]|(\d+)\.) (.+?)(?=^\[|^\d+\. |\Z)", below, re.MULTILINE | re.DOTALL)
    sources = {bracketed or listed: " ".join(text.split()) for bracketed, listed, text in found}
    peers = [f"{one.source} ({one.pointer})" for one in read_peers()]
    assert [sources[number] for number in re.findall(r"\[(\d+)\]", table)] == peers
    assert "as stated by their authors" in table
