"""A bundle is opened only if its manifest follows the contract and every file is the one that the manifest names."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.bundle import BundleFacts, write_manifest
from export.operators import OperatorReport
from export.targets import ComponentArtefact
from mobilevos.bundle import MANIFEST, Bundle, component_table, validate_manifest
from mobilevos.contract import COMPONENTS, STATEFUL_STEP, Dimensions, TensorSpec, signature
from mobilevos.errors import InputError
from mobilevos.model.variants import network_config

DIMENSIONS = Dimensions(64, 96, 2, 1, 64, 96, (96, 32, 24))
PROGRAM = "mobilevos.pte"


def artefacts(file: str = PROGRAM, **facts: Any) -> dict[str, ComponentArtefact]:
    """All components in one file."""
    return {name: ComponentArtefact(file, name, 100, OperatorReport(5, 1, 0, ()), **facts) for name in COMPONENTS}


def write_bundle(folder: Path, dimensions: Dimensions = DIMENSIONS) -> dict[str, Any]:
    """Writes a bundle whose program is 100 bytes of no meaning: nothing here looks into it."""
    (folder / PROGRAM).write_bytes(bytes(range(100)))
    network = network_config("mobilenet_v2")
    write_manifest(
        folder,
        BundleFacts(
            "executorch", "fp32", network, dimensions, "0" * 64, {"made": "for tests"}, {"torch": "2"}, artefacts()
        ),
    )
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    return manifest


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A valid manifest; to be copied before it is changed."""
    return write_bundle(tmp_path_factory.mktemp("valid"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A valid bundle of its own for each test."""
    (tmp_path / "bundle").mkdir()
    write_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


def rewrite(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def rename_program(manifest: dict[str, Any], name: str) -> None:
    manifest["files"][name] = manifest["files"].pop(PROGRAM)
    for component in manifest["components"].values():
        component["file"] = name


def refusal(folder: Path) -> str:
    """The one line with which a bundle is refused."""
    with pytest.raises(InputError) as caught:
        Bundle.open(folder)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 600
    return line


# A good bundle


def test_an_open_bundle_says_what_it_holds(folder: Path) -> None:
    bundle = Bundle.open(folder)
    assert (bundle.target, bundle.precision, bundle.dimensions) == ("executorch", "fp32", DIMENSIONS)
    assert bundle.artefact("segment") == (folder / PROGRAM, "segment")
    assert bundle.manifest["model"]["variant"] == "mobilenet_v2"


def test_the_manifest_holds_the_contract(manifest: dict[str, Any]) -> None:
    for name, table in component_table(DIMENSIONS).items():
        assert manifest["components"][name].items() >= table.items()
    image = manifest["components"]["segment"]["inputs"][0]
    assert image == {"name": "image", "shape": [1, 3, 64, 96], "layout": "NCHW", "dtype": "float32"}
    assert list(manifest["files"]) == [PROGRAM]
    assert manifest["files"][PROGRAM]["bytes"] == 100


def test_the_sizes_of_a_bundle_are_whole_numbers_even_where_json_has_2_0(folder: Path) -> None:
    rewrite(folder, lambda m: m["memory"].update(frames=2.0))
    frames = Bundle.open(folder).dimensions.memory_frames
    assert (frames, type(frames)) == (2, int)


def test_a_bundle_of_one_object_is_told_from_one_of_three(tmp_path: Path) -> None:
    three = Dimensions(64, 96, 2, 3, 64, 96, (96, 32, 24))
    write_bundle(tmp_path, three)
    assert Bundle.open(tmp_path).dimensions == three


# Files


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


# An artefact's own tensors


def test_an_artefact_without_tensors_of_its_own_has_the_contracts(folder: Path) -> None:
    assert Bundle.open(folder).artefact_signature("decode") == signature("decode", DIMENSIONS)
    assert not Bundle.open(folder).dynamic_objects


def own_tensors(folder: Path, shape: tuple[int, ...], dtype: str = "float32") -> Bundle:
    """A bundle whose encoder calls its image `args_0`."""
    (folder / PROGRAM).write_bytes(b"x")
    components = artefacts(dynamic_objects=True)
    image = TensorSpec("args_0", shape, "NHWC", dtype)
    components["encode_query"] = replace(components["encode_query"], inputs=(image,), details={"opset": 18})
    network = network_config("mobilenet_v2")
    facts = BundleFacts("tflite", "fp32", network, DIMENSIONS, None, {}, {}, components, {"nhwc": True})
    write_manifest(folder, facts)
    return Bundle.open(folder)


def test_an_artefact_may_name_and_lay_out_tensors_its_own_way(tmp_path: Path) -> None:
    bundle = own_tensors(tmp_path, (1, 64, 96, 3))
    own = bundle.artefact_signature("encode_query")
    assert own.inputs == (TensorSpec("args_0", (1, 64, 96, 3), "NHWC"),)
    assert own.outputs == signature("encode_query", DIMENSIONS).outputs
    assert bundle.dynamic_objects
    assert bundle.manifest["options"] == {"nhwc": True}
    assert bundle.manifest["components"]["encode_query"]["details"] == {"opset": 18}


@pytest.mark.parametrize(
    ("shape", "dtype", "words"),
    [
        ((1, 64, 96, 4), "float32", "the artefact's inputs of encode_query are not those of the contract"),
        ((1, 64, 96, 3), "int64", "$.components.encode_query.artefact.inputs[0].dtype"),
    ],
)
def test_but_not_other_tensors(tmp_path: Path, shape: tuple[int, ...], dtype: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        own_tensors(tmp_path, shape, dtype)
    assert words in str(caught.value)


# The component that a bundle may have beside those of the contract


def with_state(manifest: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(manifest)
    table = component_table(DIMENSIONS, [STATEFUL_STEP])[STATEFUL_STEP]
    tensors = json.loads(json.dumps(table))
    changed["components"][STATEFUL_STEP] = {"file": PROGRAM, "method": STATEFUL_STEP, **tensors}
    return changed


def test_a_stateful_step_may_be_there_with_its_states(manifest: dict[str, Any], folder: Path) -> None:
    (folder / MANIFEST).write_text(json.dumps(with_state(manifest)))
    bundle = Bundle.open(folder)
    assert bundle.artefact_signature(STATEFUL_STEP) == signature(STATEFUL_STEP, DIMENSIONS)


@pytest.mark.parametrize("states", [None, [], "fewer", "another type", "another shape"])
def test_but_not_with_other_states(manifest: dict[str, Any], states: Any) -> None:
    changed = with_state(manifest)
    entry = changed["components"][STATEFUL_STEP]
    if states is None:
        del entry["states"]
    elif states == "fewer":
        entry["states"].pop()
    elif states == "another type":
        entry["states"][0]["dtype"] = "float32"
    elif states == "another shape":
        entry["states"][0]["shape"][0] += 1
    else:
        entry["states"] = states
    with pytest.raises(InputError, match=r"does not follow the contract|is not a bundle manifest") as caught:
        validate_manifest(changed, Path(MANIFEST))
    assert "\n" not in str(caught.value)


def test_a_component_of_the_contract_has_no_states(manifest: dict[str, Any]) -> None:
    changed = with_state(manifest)
    changed["components"]["segment"]["states"] = changed["components"][STATEFUL_STEP]["states"]
    with pytest.raises(InputError, match="component segment does not follow the contract"):
        validate_manifest(changed, Path(MANIFEST))


# The manifest


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
