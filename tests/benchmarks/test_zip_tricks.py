"""Every trick is an archive that a reader opens, its checksums right, and none is the archive that it was made of."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from benchmarks.zip_tricks import TRICKS, entries_of, tricked_archive

ENTRIES = {"a.bin": b"first", "b/c.bin": b"second"}


def tricked(trick: str, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, zipfile.ZipFile]:
    monkeypatch.setattr("benchmarks.zip_tricks.TRICKS", {trick: TRICKS[trick]})
    content = tricked_archive(ENTRIES, np.random.default_rng(0))
    return content, zipfile.ZipFile(io.BytesIO(content))


@pytest.mark.parametrize("trick", TRICKS)
def test_a_trick_is_not_a_fault_of_the_archive(trick: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, archive = tricked(trick, monkeypatch)
    assert archive.testzip() is None
    found = [(one.filename, archive.read(one)) for one in archive.infolist()]
    assert found != list(ENTRIES.items())


def test_names_leave_the_folder_or_stand_there_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    assert any(name.startswith("../../") for name in tricked("leaves the folder", monkeypatch)[1].namelist())
    assert any(name.startswith("/") for name in tricked("absolute path", monkeypatch)[1].namelist())
    names = tricked("twice", monkeypatch)[1].namelist()
    assert len(names) == len(set(names)) + 1
    names = tricked("file and folder", monkeypatch)[1].namelist()
    assert any(f"{name}/" in names for name in names)


def test_a_bomb_is_small_until_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    content, archive = tricked("bomb", monkeypatch)
    assert max(one.file_size for one in archive.infolist()) > 500 * len(content)


def test_entries_are_those_of_an_archive_or_the_file_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    content, _ = tricked("file and folder", monkeypatch)
    assert ENTRIES.items() <= entries_of(content, "x").items()
    assert entries_of(b"no archive", "x") == {"x": b"no archive"}
