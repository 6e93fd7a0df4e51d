"""A bundle is opened only if its manifest follows the schema and the contract; else one line says why not."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from written_bundle import DIMENSIONS, PROGRAM, artefacts, refusal, rewrite

from export.bundle import BundleFacts, write_manifest
from mobilevos.bundle import MANIFEST, component_table, validate_manifest
from mobilevos.errors import InputError
from mobilevos.model.variants import network_config


def test_a_folder_without_manifest_says_how_to_make_a_bundle(tmp_path: Path) -> None:
    line = refusal(tmp_path)
    assert line.startswith(f"{tmp_path} is not a bundle; expected manifest.json")
    assert "python -m export.executorch" in line
    assert "is not a bundle" in refusal(tmp_path / "nothing")


def test_a_file_in_the_place_of_the_folder(folder: Path) -> None:
    assert "is not a bundle" in refusal(folder / PROGRAM)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"{'schema': 1}", b"\xff\xfe\x00", b"[" * 100_000, b'{"schema": ' + b"9" * 10_000 + b"}", bytes(64)],
)
def test_a_manifest_that_is_not_json(folder: Path, content: bytes) -> None:
    (folder / MANIFEST).write_bytes(content)
    assert "is not JSON" in refusal(folder)


@pytest.mark.parametrize("content", ["[]", "null", "1", '"manifest"'])
def test_json_that_is_no_manifest(folder: Path, content: str) -> None:
    (folder / MANIFEST).write_text(content)
    assert "is not a bundle manifest" in refusal(folder)


@pytest.mark.parametrize("depth", [100, 300, 900])
@pytest.mark.parametrize("place", ["schema", "objects", "components"])
def test_deep_nesting(folder: Path, depth: int, place: str) -> None:
    text = (folder / MANIFEST).read_text()
    value = json.dumps(json.loads(text)[place])
    manifest = json.dumps(json.loads(text)).replace(f'"{place}": {value}', f'"{place}": {"[" * depth}{"]" * depth}')
    (folder / MANIFEST).write_text(manifest)
    assert MANIFEST in refusal(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.update(schema=2), ("of another version", "schema 1; found 2")),
        (lambda m: m.pop("schema"), ("of another version", "None")),
        (lambda m: m.update(target="tensorrt"), ("$.target", "tensorrt")),
        (lambda m: m.update(precision="int3"), ("$.precision",)),
        (lambda m: m.update(objects=0), ("$.objects",)),
        (lambda m: m.update(objects=2), ("does not follow the contract",)),
        (lambda m: m["input"].update(height=72), ("$.input.height",)),
        (lambda m: m["input"].update(height=80), ("encode_query does not follow the contract",)),
        (lambda m: m["memory"].update(frames=3), ("read_memory does not follow the contract",)),
        (lambda m: m["memory"].update(key_channels=32), ("does not follow the contract",)),
        (lambda m: m["input"].update(range=[0, 255]), ("$.input.range",)),
        (lambda m: m["components"].pop("decode"), ("$.components", "decode")),
        (lambda m: m["components"].update(dream=m["components"]["decode"]), ("$.components", "dream")),
        (lambda m: m["components"]["decode"].pop("method"), ("$.components.decode", "method")),
        (lambda m: m["components"]["decode"].update(file="other.pte"), ("unlisted file", "other.pte")),
        (lambda m: m["components"]["decode"]["inputs"].reverse(), ("decode does not follow the contract",)),
        (lambda m: m["components"]["decode"]["outputs"].clear(), ("$.components.decode.outputs",)),
        (lambda m: m["components"]["segment"]["inputs"][0].update(layout="NHWC"), ("segment does not follow",)),
        (
            lambda m: m["components"]["segment"]["inputs"][0].update(dtype="float16"),
            ("$.components.segment.inputs[0].dtype",),
        ),
        (lambda m: m["components"]["segment"]["inputs"][0].update(shape=[]), ("segment does not follow",)),
        (lambda m: m["files"].clear(), ("$.files",)),
        (lambda m: m["files"][PROGRAM].update(sha256="0" * 63), (f"$.files['{PROGRAM}'].sha256",)),
        (lambda m: m["model"].update(checkpoint_sha256="x"), ("$.model.checkpoint_sha256",)),
        (lambda m: m["versions"].update(torch=2), ("$.versions.torch",)),
    ],
)
def test_a_manifest_against_schema_or_contract(
    folder: Path, change: Callable[[dict[str, Any]], Any], words: tuple[str, ...]
) -> None:
    rewrite(folder, change)
    line = refusal(folder)
    for word in words:
        assert word in line


def test_nothing_in_a_manifest_reaches_the_terminal_as_a_control_character(folder: Path) -> None:
    rewrite(folder, lambda m: m["components"]["decode"].update(file="\x1b[2J"))
    assert refusal(folder).isprintable()
    rewrite(folder, lambda m: m.update(schema="\x1b[2J"))
    assert refusal(folder).isprintable()


def test_a_writer_cannot_write_what_a_reader_refuses(tmp_path: Path) -> None:
    (tmp_path / PROGRAM).write_bytes(b"x")
    elsewhere, network = artefacts("elsewhere.pte"), network_config("mobilenet_v2")
    facts = BundleFacts("executorch", "fp32", network, DIMENSIONS, None, {}, {"torch": "2"}, elsewhere)
    with pytest.raises(InputError, match="unlisted file"):
        write_manifest(tmp_path, facts)
    assert not (tmp_path / MANIFEST).exists()


# Anything at all

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([1, 2.0, 16, 64, 96, "segment", PROGRAM, "float32", "0" * 64]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def mutate(data: st.DataObject, manifest: dict[str, Any]) -> None:
    """Replaces, removes or adds one value somewhere."""
    node: Any = manifest
    while True:
        keys = sorted(node) if isinstance(node, dict) else list(range(len(node)))
        key = data.draw(st.sampled_from(keys))
        if not (isinstance(node[key], dict | list) and node[key] and data.draw(st.booleans())):
            break
        node = node[key]
    action = data.draw(st.sampled_from(["replace", "remove", "add"]))
    if action == "replace":
        node[key] = data.draw(JSON)
    elif action == "remove":
        del node[key]
    elif isinstance(node, dict):
        node[data.draw(st.text(max_size=8))] = data.draw(JSON)
    else:
        node.append(data.draw(JSON))


@given(data=st.data(), times=st.integers(1, 3))
def test_a_changed_manifest_is_good_or_refused_in_one_line(
    data: st.DataObject, times: int, manifest: dict[str, Any]
) -> None:
    changed = copy.deepcopy(manifest)
    for _ in range(times):
        if changed:
            mutate(data, changed)
    try:
        validate_manifest(changed, Path(MANIFEST))
    except InputError as error:
        line = str(error)
        assert "\n" not in line
    else:
        table = component_table(DIMENSIONS)
        assert all(changed["components"][name].items() >= both.items() for name, both in table.items())


@given(JSON)
def test_any_json_is_refused_in_one_line(anything: Any) -> None:
    with pytest.raises(InputError, match=MANIFEST):
        validate_manifest(anything, Path(MANIFEST))
