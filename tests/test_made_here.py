"""Bundles that this user exported run in this process; a stranger's, or an unverified one, in another."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mobilevos.bundle import MANIFEST, Bundle
from mobilevos.engines import open_engine
from mobilevos.errors import InputError
from mobilevos.made_here import record_made_here, was_made_here


@pytest.fixture
def made(bundle_of: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of a bundle that was exported here."""
    return Path(shutil.copytree(bundle_of("torchscript"), tmp_path / "bundle"))


def isolated(folder: Path, **options: bool) -> bool:
    return bool(open_engine("torchscript", bundle=folder, **options).describe().get("isolated", False))


def edit_manifest(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | {"options": {}}))


def test_an_export_is_remembered_wherever_the_bundle_goes(made: Path) -> None:
    assert was_made_here(Bundle.open(made))
    assert not isolated(made)


def test_another_manifest_is_a_strangers(made: Path) -> None:
    edit_manifest(made)
    assert not was_made_here(Bundle.open(made))
    assert isolated(made)


def test_what_is_not_verified_is_a_strangers(made: Path) -> None:
    assert not was_made_here(Bundle.open(made, verify=False))
    assert isolated(made, verify=False)


def test_the_user_decides_if_he_wants_to(made: Path) -> None:
    assert isolated(made, isolated=True)
    edit_manifest(made)
    assert not isolated(made, isolated=False)


def test_on_another_machine_it_is_a_strangers(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
    assert not was_made_here(Bundle.open(made))
    record_made_here(made)
    assert was_made_here(Bundle.open(made))


def test_the_record_lies_in_the_home_folder_where_nothing_else_is_said(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/not/allowed")
    record_made_here(made)
    assert len(list((tmp_path / ".local/state/mobilevos/exported").iterdir())) == 1


def test_without_a_place_to_remember_a_bundle_is_a_strangers(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    record_made_here(made)
    assert not was_made_here(Bundle.open(made))


def test_a_damaged_file_is_refused_whoever_made_the_bundle(made: Path) -> None:
    content = bytearray((made / "segment.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (made / "segment.pt").write_bytes(content)
    with pytest.raises(InputError, match="is damaged or was exchanged"):
        open_engine("torchscript", bundle=made)
    assert isolated(made, verify=False)
