import pytest

from benchmarks.__main__ import main
from benchmarks.peers import read_peers


def test_every_peer_names_its_source_and_the_hardware_of_its_speed() -> None:
    peers = read_peers()
    assert len(peers) > 5
    for peer in peers:
        assert peer.source
        assert peer.hardware
        assert any(unit in peer.speed for unit in ("FPS", "ms"))
        assert 0 < peer.parameters_millions < 100
        assert all(score is None or 50 < score < 100 for score in (peer.davis16, peer.davis17))
        assert set(peer.approximate) <= {"davis16", "davis17"}


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
