"""Files are whole or absent, and no name leaves its folder."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevos.errors import InputError
from mobilevos.files import (
    atomic_file,
    atomic_folder,
    atomic_write_bytes,
    atomic_write_text,
    resolve_inside,
    sha256_of,
)


class WriterError(Exception):
    """Stands for anything that goes wrong while a file is being written."""


def fail_after_writing_half(file: Path) -> None:
    file.write_text("half")
    raise WriterError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that holds `old`."""
    path = tmp_path / "result.json"
    path.write_text("old")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose one file `name` holds `old`."""
    path = tmp_path / "bundle"
    path.mkdir()
    (path / "name").write_text("old")
    return path


def names_in(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


def test_a_written_file_holds_the_content(tmp_path: Path) -> None:
    atomic_write_bytes(tmp_path / "a.bin", b"\x00\xff")
    atomic_write_text(tmp_path / "a.txt", "é\n")
    assert (tmp_path / "a.bin").read_bytes() == b"\x00\xff"
    assert (tmp_path / "a.txt").read_bytes() == "é\n".encode()
    assert names_in(tmp_path) == {"a.bin", "a.txt"}


def test_missing_folders_above_a_file_are_made(tmp_path: Path) -> None:
    atomic_write_text(tmp_path / "runs" / "1" / "log.json", "{}")
    assert (tmp_path / "runs" / "1" / "log.json").read_text() == "{}"


def test_the_old_content_stays_until_the_new_one_is_whole(file: Path) -> None:
    with atomic_file(file) as temporary:
        temporary.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"


def test_the_temporary_name_has_the_suffix_that_writers_choose_a_format_by(file: Path) -> None:
    with atomic_file(file) as temporary:
        assert temporary.suffix == file.suffix
        assert temporary.parent == file.parent


def test_a_new_file_has_the_rights_that_the_umask_gives(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        atomic_write_text(tmp_path / "a", "")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_an_exception_keeps_the_old_file_and_leaves_no_temporary_one(file: Path) -> None:
    with pytest.raises(WriterError), atomic_file(file) as temporary:
        fail_after_writing_half(temporary)
    assert file.read_text() == "old"
    assert names_in(file.parent) == {file.name}


def test_an_exception_leaves_nothing_where_nothing_was(tmp_path: Path) -> None:
    with pytest.raises(WriterError), atomic_file(tmp_path / "new.json") as temporary:
        fail_after_writing_half(temporary)
    assert names_in(tmp_path) == set()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_disk_that_is_full_while_writing_is_one_line_and_keeps_the_old_file(file: Path) -> None:
    with (
        pytest.raises(InputError, match=r"cannot write .*result\.json; found No space left"),
        atomic_file(file),
    ):
        Path("/dev/full").write_bytes(b"x")
    assert file.read_text() == "old"
    assert names_in(file.parent) == {file.name}


def test_a_disk_found_full_when_synced_is_one_line_and_keeps_the_old_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        atomic_write_text(file, "new")
    assert file.read_text() == "old"
    assert names_in(file.parent) == {file.name}


def test_a_file_where_a_folder_should_be_is_one_line(file: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        atomic_write_text(file / "below.json", "new")
    with pytest.raises(InputError, match="cannot write"), atomic_folder(file / "below"):
        pass
    assert file.read_text() == "old"


def test_a_file_is_not_overwritten_unless_asked(file: Path) -> None:
    with pytest.raises(InputError, match=r"exists already.*--overwrite"):
        atomic_write_text(file, "new", overwrite=False)
    assert file.read_text() == "old"
    atomic_write_text(file, "new", overwrite=True)
    assert file.read_text() == "new"


def test_a_folder_appears_with_all_its_files(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "bundle") as temporary:
        (temporary / "golden").mkdir()
        (temporary / "golden" / "a").write_text("a")
        assert not (tmp_path / "bundle").exists()
    assert (tmp_path / "bundle" / "golden" / "a").read_text() == "a"
    assert names_in(tmp_path) == {"bundle"}


def test_an_exception_keeps_the_old_folder_and_leaves_no_temporary_one(folder: Path) -> None:
    with pytest.raises(WriterError), atomic_folder(folder, overwrite=True) as temporary:
        fail_after_writing_half(temporary / "name")
    assert (folder / "name").read_text() == "old"
    assert names_in(folder.parent) == {folder.name}


def test_an_overwritten_folder_keeps_nothing_of_the_old_one(folder: Path) -> None:
    with atomic_folder(folder, overwrite=True) as temporary:
        (temporary / "other").write_text("new")
    assert names_in(folder) == {"other"}
    assert names_in(folder.parent) == {folder.name}


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(folder: Path) -> None:
    with atomic_folder(folder, overwrite=True) as living:
        abandoned = living.with_name(f".{folder.name}-killed.partial")
        abandoned.mkdir()
        (abandoned / "name").write_text("half")
        with atomic_folder(folder, overwrite=True) as temporary:
            assert names_in(folder.parent) == {folder.name, living.name, temporary.name}
            (temporary / "name").write_text("first")
        (living / "name").write_text("last")
    assert names_in(folder.parent) == {folder.name}
    assert (folder / "name").read_text() == "last"


def test_a_folder_is_not_overwritten_unless_asked(folder: Path) -> None:
    with pytest.raises(InputError, match=r"exists already.*--overwrite"), atomic_folder(folder):
        pytest.fail("the body must not run")
    assert (folder / "name").read_text() == "old"


@given(content=st.binary(max_size=4096))
def test_sha256_is_that_of_the_bytes(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "hashed"
    path.write_bytes(content)
    assert sha256_of(path) == hashlib.sha256(content).hexdigest()


def test_a_plain_relative_name_resolves_inside(tmp_path: Path) -> None:
    assert resolve_inside(tmp_path, "golden/frame.png") == tmp_path / "golden" / "frame.png"


@pytest.mark.parametrize("name", ["", "..", "../x", "a/../../x", "a/..", "/etc/passwd", "//x", "..\\x", "C:\\x"])
def test_a_name_that_climbs_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="leaves its folder"):
        resolve_inside(tmp_path, name)


def test_a_link_that_leads_out_is_refused_and_one_that_stays_is_not(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    (bundle / "real").mkdir(parents=True)
    (bundle / "out").symlink_to(tmp_path)
    (bundle / "passwd").symlink_to("/etc/passwd")
    (bundle / "in").symlink_to("real")
    for name in ("out", "out/secret", "passwd"):
        with pytest.raises(InputError, match="leaves its folder"):
            resolve_inside(bundle, name)
    assert resolve_inside(bundle, "in/file") == bundle / "in" / "file"


def test_a_sibling_whose_name_begins_alike_is_outside(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle-secret").mkdir()
    (tmp_path / "bundle" / "link").symlink_to(tmp_path / "bundle-secret")
    with pytest.raises(InputError, match="leaves its folder"):
        resolve_inside(tmp_path / "bundle", "link")


parts = st.sampled_from(["..", ".", "", "a", "b.bin", "...", "~", "C:", "a\\b", "out", "in", " "])


@given(st.lists(parts, max_size=6).map("/".join))
def test_whatever_the_name_it_is_refused_or_it_stays_inside(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    bundle = tmp_path_factory.getbasetemp() / "bundle"
    if not bundle.exists():
        bundle.mkdir()
        (bundle / "out").symlink_to("/")
        (bundle / "in").symlink_to(".")
    try:
        resolved = resolve_inside(bundle, name)
    except InputError:
        return
    real = os.path.realpath(resolved)
    assert os.path.commonpath([real, os.path.realpath(bundle)]) == os.path.realpath(bundle)


@given(st.lists(st.from_regex(r"[a-z0-9_][a-z0-9_.-]{0,8}", fullmatch=True), min_size=1, max_size=5))
def test_names_of_plain_parts_are_never_refused(tmp_path_factory: pytest.TempPathFactory, plain: list[str]) -> None:
    folder = tmp_path_factory.getbasetemp() / "plain"
    assert resolve_inside(folder, "/".join(plain)) == folder.joinpath(*plain)


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        resolve_inside(tmp_path, name)


def test_a_link_that_leads_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError):
        resolve_inside(tmp_path, "loop")
