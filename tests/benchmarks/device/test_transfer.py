"""Files that arrive whole, and those that do not."""

from collections.abc import Callable
from pathlib import Path

import pytest
from adb_device import LoopbackDevice

from benchmarks.device.failure import DeviceError, Failure
from benchmarks.device.phone_shell import PhoneShell
from benchmarks.device.transfer import files_under, pull_files, push_files

pytestmark = pytest.mark.adb

FOLDER = "/data/local/tmp/x"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "lib" / "deep").mkdir(parents=True)
    (folder / "runner").write_bytes(b"#!/bin/sh\n")
    (folder / "runner").chmod(0o755)
    (folder / "lib" / "a b'c").write_bytes(bytes(range(256)))
    (folder / "lib" / "deep" / "empty").touch()
    return folder


@pytest.fixture
def damaging(monkeypatch: pytest.MonkeyPatch, device: LoopbackDevice) -> Callable[[int], None]:
    """Lets the next so many pushes change a byte on the way."""

    def damage(times: int) -> None:
        push, left = PhoneShell.push, [times]

        def damaged(phone: PhoneShell, sources: list[Path], folder: str) -> None:
            push(phone, sources, folder)
            if left[0] > 0:
                left[0] -= 1
                device.root.path(f"{folder}/{sources[0].name}").write_bytes(b"?")

        monkeypatch.setattr(PhoneShell, "push", damaged)

    return damage


def test_a_folder_goes_there_and_files_come_back(
    phone: PhoneShell, device: LoopbackDevice, tree: Path, tmp_path: Path
) -> None:
    phone.shell(f"mkdir {FOLDER}")
    push_files(phone, files_under(tree, "run/one"), FOLDER)
    there = device.root.path(f"{FOLDER}/run/one")
    assert sorted(path.relative_to(there) for path in there.rglob("*")) == sorted(
        path.relative_to(tree) for path in tree.rglob("*")
    )
    assert (there / "runner").stat().st_mode & 0o111
    (tmp_path / "back").mkdir()
    assert pull_files(phone, ["runner", "missing"], f"{FOLDER}/run/one", tmp_path / "back") == ["runner"]
    assert (tmp_path / "back" / "runner").read_bytes() == b"#!/bin/sh\n"
    assert pull_files(phone, ["missing"], FOLDER, tmp_path) == []


def test_a_file_that_arrives_damaged_is_sent_again(
    phone: PhoneShell, device: LoopbackDevice, tree: Path, damaging: Callable[[int], None]
) -> None:
    phone.shell(f"mkdir {FOLDER}")
    damaging(1)
    push_files(phone, files_under(tree, "run"), FOLDER)
    assert device.root.path(f"{FOLDER}/run/lib/a b'c").read_bytes() == bytes(range(256))
    assert device.root.path(f"{FOLDER}/run/runner").read_bytes() == b"#!/bin/sh\n"


def test_a_file_that_arrives_damaged_twice_is_an_error(
    phone: PhoneShell, tree: Path, damaging: Callable[[int], None]
) -> None:
    phone.shell(f"mkdir {FOLDER}")
    damaging(100)
    with pytest.raises(DeviceError, match=r"arrived damaged twice.*another cable") as error:
        push_files(phone, files_under(tree, "run"), FOLDER)
    assert error.value.failure is Failure.DAMAGED
