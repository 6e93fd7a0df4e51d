"""Taking the top of a ranking, and what is wrong with a file that holds none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from export.quantization.worst_layers import read_worst, worst_of
from mobilevos.errors import InputError

SHA256 = "a" * 64


def test_the_first_of_the_ranking_are_the_worst(tmp_path: Path) -> None:
    path = tmp_path / "ranking.json"
    path.write_text(json.dumps({"checkpoint_sha256": SHA256, "layers": [{"layer": name} for name in "xyz"]}))
    assert read_worst(path, 2, SHA256) == ("x", "y")
    assert worst_of(("x", "y"), 2) == ("x", "y")
    with pytest.raises(InputError, match="at most 3 layers"):
        read_worst(path, 4, SHA256)
    with pytest.raises(InputError, match="measured on another network"):
        read_worst(path, 1, "b" * 64)


@pytest.mark.parametrize(
    "content",
    [b"[]", b"{}", b'{"layers": [1], "checkpoint_sha256": ""}', b'{"layers": []}', b"no json", b"\xff", b"[" * 100_000],
)
def test_a_file_without_a_ranking_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "ranking.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"is not JSON|holds no ranking"):
        read_worst(path, 1, SHA256)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_worst(tmp_path / "absent.json", 1, SHA256)
