"""Outputs are checked before the work: nothing is overwritten unasked, and inputs never."""

from pathlib import Path

import pytest

from mobilevos.commands.outputs import check_outputs
from mobilevos.errors import InputError


def test_new_names_are_accepted_and_not_created(tmp_path: Path) -> None:
    check_outputs(files=[tmp_path / "a" / "out.mp4"], folders=[tmp_path / "b" / "masks"], overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_needs_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"old")
    with pytest.raises(InputError, match="exists already; pass --overwrite"):
        check_outputs(files=[path], overwrite=False)
    check_outputs(files=[path], overwrite=True)
    assert path.read_bytes() == b"old"


def test_a_folder_needs_overwrite_once_it_holds_something(tmp_path: Path) -> None:
    check_outputs(folders=[tmp_path], overwrite=False)
    (tmp_path / "00000.png").touch()
    with pytest.raises(InputError, match="not empty"):
        check_outputs(folders=[tmp_path], overwrite=False)
    check_outputs(folders=[tmp_path], overwrite=True)


def test_an_input_is_never_an_output(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "frames")
    with pytest.raises(InputError, match="an input"):
        check_outputs(folders=[tmp_path / "link"], inputs=[tmp_path / "frames"], overwrite=True)


def test_two_outputs_are_not_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="another output"):
        check_outputs(files=[tmp_path / "a.mp4", tmp_path / "x" / ".." / "a.mp4"], overwrite=True)


def test_a_file_is_no_folder_and_a_folder_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="found a file"):
        check_outputs(folders=[tmp_path / "file"], overwrite=True)
    with pytest.raises(InputError, match="found a folder"):
        check_outputs(files=[tmp_path], overwrite=True)
    with pytest.raises(InputError, match="expected a folder; found the file"):
        check_outputs(files=[tmp_path / "file" / "out.mp4"], overwrite=True)


def test_a_name_that_no_file_system_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        check_outputs(files=[tmp_path / ("x" * 300)], overwrite=True)


def test_a_folder_without_the_right_to_write_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whoever runs the tests may be root, who may write everywhere.
    monkeypatch.setattr("os.access", lambda place, mode: place != tmp_path)
    with pytest.raises(InputError, match="no right to write into"):
        check_outputs(files=[tmp_path / "new" / "out.mp4"], overwrite=False)
