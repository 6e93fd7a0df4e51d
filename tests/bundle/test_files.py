"""A bundle is opened only if every file is the one that the manifest names, and lies inside its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from written_bundle import DIMENSIONS, PROGRAM, artefacts, refusal, rewrite

from export.bundle import BundleFacts, write_manifest
from mobilevos.bundle import Bundle
from mobilevos.errors import InputError
from mobilevos.model.variants import network_config


def rename_program(manifest: dict[str, Any], name: str) -> None:
    manifest["files"][name] = manifest["files"].pop(PROGRAM)
    for component in manifest["components"].values():
        component["file"] = name


def test_a_truncated_file(folder: Path) -> None:
    (folder / PROGRAM).write_bytes(bytes(range(99)))
    line = refusal(folder)
    assert f"{PROGRAM} is damaged or was exchanged; expected 100 bytes" in line
    assert "found 99 bytes" in line
    assert line.endswith("export the bundle again")


@pytest.mark.parametrize("position", [0, 5, 99])
def test_one_flipped_bit(folder: Path, position: int) -> None:
    content = bytearray((folder / PROGRAM).read_bytes())
    content[position] ^= 0x10
    (folder / PROGRAM).write_bytes(content)
    assert "is damaged or was exchanged" in refusal(folder)


def test_an_exchanged_file_of_the_same_size(folder: Path) -> None:
    (folder / PROGRAM).write_bytes(bytes(100))
    assert "is damaged or was exchanged" in refusal(folder)


def test_a_bundle_need_not_be_verified_to_be_read(folder: Path) -> None:
    (folder / PROGRAM).write_bytes(b"")
    assert Bundle.open(folder, verify=False).dimensions == DIMENSIONS


def test_a_missing_file(folder: Path) -> None:
    (folder / PROGRAM).unlink()
    assert f"{PROGRAM} is missing from the bundle" in refusal(folder)


def test_a_folder_in_the_place_of_a_file(folder: Path) -> None:
    (folder / PROGRAM).unlink()
    (folder / PROGRAM).mkdir()
    assert f"{PROGRAM} is missing from the bundle" in refusal(folder)


@pytest.mark.parametrize("name", ["../x.pte", "/etc/hostname", "a/../../x.pte"])
def test_a_path_that_leaves_the_folder(folder: Path, name: str) -> None:
    (folder.parent / "x.pte").write_bytes(bytes(range(100)))
    rewrite(folder, lambda manifest: rename_program(manifest, name))
    assert "leaves its folder" in refusal(folder)


@pytest.mark.parametrize("name", ["x\0.pte", "", "..\\x.pte", "C:\\x.pte", "\ud800", "\x1b[2J", "é.pte"])
def test_a_name_that_not_every_device_can_hold(folder: Path, name: str) -> None:
    rewrite(folder, lambda manifest: rename_program(manifest, name))
    line = refusal(folder)
    assert "$.files" in line
    assert line.isprintable()


def test_a_link_that_leaves_the_folder(folder: Path) -> None:
    (folder / PROGRAM).rename(folder.parent / "outside.pte")
    (folder / PROGRAM).symlink_to(folder.parent / "outside.pte")
    assert "leaves its folder" in refusal(folder)


def test_a_name_too_long_for_any_file_system(folder: Path) -> None:
    rewrite(folder, lambda m: m["files"].update({"x" * 5000: m["files"][PROGRAM]}))
    with pytest.raises(InputError):
        Bundle.open(folder)


# Artefacts that are folders


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A bundle whose artefact is a folder of two files."""
    (tmp_path / "net.mlpackage" / "Data").mkdir(parents=True)
    (tmp_path / "net.mlpackage" / "Manifest.json").write_text("{}")
    (tmp_path / "net.mlpackage" / "Data" / "weights.bin").write_bytes(bytes(10))
    network = network_config("mobilenet_v2")
    components = artefacts("net.mlpackage", varying=("net.mlpackage/Manifest.json",))
    write_manifest(tmp_path, BundleFacts("coreml", "fp16", network, DIMENSIONS, None, {}, {}, components))
    return tmp_path


def test_an_artefact_may_be_a_folder_all_of_whose_files_are_listed(package: Path) -> None:
    bundle = Bundle.open(package)
    assert bundle.artefact("decode") == (package / "net.mlpackage", "decode")
    files = bundle.manifest["files"]
    assert set(files) == {"net.mlpackage/Manifest.json", "net.mlpackage/Data/weights.bin"}
    assert [name for name, facts in files.items() if facts.get("varies")] == ["net.mlpackage/Manifest.json"]


def test_a_file_that_was_added_to_such_a_folder(package: Path) -> None:
    (package / "net.mlpackage" / "Data" / "more.bin").write_bytes(b"")
    assert "more.bin is not in the bundle's manifest" in refusal(package)


def test_a_link_that_was_added_to_such_a_folder(package: Path) -> None:
    (package / "net.mlpackage" / "Data" / "more").symlink_to(package.parent)
    assert "more is not in the bundle's manifest" in refusal(package)


def test_a_file_elsewhere_in_the_bundle_is_no_artefacts_business(package: Path) -> None:
    (package / "README.txt").write_text("notes")
    Bundle.open(package)
