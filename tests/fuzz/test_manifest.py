"""Whatever bytes lie in a bundle's manifest, it opens or is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.bundle import BundleFacts, write_manifest
from export.operators import OperatorReport
from export.targets import ComponentArtefact
from mobilevos.bundle import MANIFEST, Bundle
from mobilevos.contract import COMPONENTS, Dimensions
from mobilevos.errors import InputError
from mobilevos.model.variants import network_config

PROGRAM = "mobilevos.pte"
NAMES = st.sampled_from(
    ["", ".", "..", "/", "../mobilevos.pte", "/dev/zero", "a//b", "a/", "./mobilevos.pte", "\0", "\udc80", "x" * 5000]
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """The folder of a bundle whose program has no meaning, and its good manifest."""
    folder = tmp_path_factory.mktemp("bundle")
    (folder / PROGRAM).write_bytes(bytes(100))
    components = {name: ComponentArtefact(PROGRAM, name, 100, OperatorReport(5, 1, 0, ())) for name in COMPONENTS}
    sizes = Dimensions(64, 96, 2, 1, 64, 96, (96, 32, 24))
    network = network_config("mobilenet_v2")
    write_manifest(folder, BundleFacts("executorch", "fp32", network, sizes, "0" * 64, {}, {"torch": "2"}, components))
    return folder, (folder / MANIFEST).read_bytes()


@pytest.fixture(scope="module")
def folder(bundle: tuple[Path, bytes]) -> Path:
    return bundle[0]


@pytest.fixture(scope="module")
def manifest(bundle: tuple[Path, bytes]) -> bytes:
    return bundle[1]


def open_with(folder: Path, content: bytes) -> None:
    """Opens the bundle with another manifest."""
    (folder / MANIFEST).write_bytes(content)
    try:
        opened = Bundle.open(folder)
    except InputError as error:
        line = str(error)
        assert "\n" not in line
    else:
        for component in COMPONENTS:
            assert opened.artefact(component)[0].resolve().is_relative_to(folder.resolve())
            opened.artefact_signature(component)


@given(content=st.binary(max_size=200))
def test_any_bytes(folder: Path, content: bytes) -> None:
    open_with(folder, content)


@given(edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8))
def test_any_bytes_exchanged(folder: Path, manifest: bytes, edits: list[tuple[float, int]]) -> None:
    content = bytearray(manifest)
    for place, value in edits:
        content[int(place * len(content))] = value
    open_with(folder, bytes(content))


@given(start=st.floats(0, 1), length=st.integers(0, 4000), insert=st.binary(max_size=30))
def test_any_run_cut_out_or_put_in(folder: Path, manifest: bytes, start: float, length: int, insert: bytes) -> None:
    place = int(start * len(manifest))
    open_with(folder, manifest[:place] + insert + manifest[place + length :])


@given(old=st.integers(0, 400), new=st.sampled_from(["1e999", "-1", "2.5", "NaN", "1e18", "null", "true", '"1"', "{}"]))
def test_any_number_exchanged(folder: Path, manifest: bytes, old: int, new: str) -> None:
    parts = json.dumps(json.loads(manifest)).split(": ")
    numbers = [place for place, part in enumerate(parts) if part[:1].isdigit()]
    place = numbers[old % len(numbers)]
    digits = len(parts[place]) - len(parts[place].lstrip("0123456789.e-"))
    parts[place] = new + parts[place][digits:]
    open_with(folder, ": ".join(parts).encode())


@given(data=st.data(), key=st.sampled_from(["file", "files"]))
def test_any_name(folder: Path, manifest: bytes, data: st.DataObject, key: str) -> None:
    name = data.draw(NAMES | st.text(max_size=20))
    changed: dict[str, Any] = json.loads(manifest)
    changed["files"] = {name: changed["files"][PROGRAM]} | (changed["files"] if key == "file" else {})
    for component in changed["components"].values():
        component["file"] = name
    open_with(folder, json.dumps(changed).encode())
