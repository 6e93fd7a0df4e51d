"""The run record's schema: it takes what runners write, and nothing that a broken phone might send."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.device.record import check_record, read_device_record
from benchmarks.run_record import RunRecord, Step, write_run
from mobilevos.errors import InputError

STEP = Step(1, 0, False, 12.5, {"segment": 10.0}, 80_000_000, None)
RECORD = RunRecord(
    engine="executorch",
    precision="fp32",
    bundle_sha256="0" * 64,
    versions={"executorch": "1.5.1"},
    threads=2,
    affinity=[0, 1],
    height=4,
    width=6,
    frames=3,
    memory_every=5,
    objects=1,
    load_ms=31.2,
    steps=[STEP],
    peak_rss_bytes=81_000_000,
    peak_pss_bytes=None,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_run(tmp_path, RECORD)
    (tmp_path / "masks.u8").write_bytes(bytes(3 * 4 * 6))
    return tmp_path


@pytest.fixture
def content(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "run.json").read_bytes())
    return content


def test_what_a_runner_writes_is_taken(folder: Path) -> None:
    assert read_device_record(folder) == RECORD


def put(content: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    changed = deepcopy(content)
    *parents, last = path.split(".")
    place: Any = changed
    for key in parents:
        place = place[int(key) if key.isdigit() else key]
    place[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("engine", ""),
        ("bundle_sha256", "abc"),
        ("threads", 0),
        ("affinity", [0, 0]),
        ("frames", "3"),
        ("height", -4),
        ("load_ms", None),
        ("steps", {}),
        ("steps.0.step_ms", 0),
        ("steps.0.frame", -1),
        ("steps.0.components", {"segment": "10"}),
        ("steps.0.pss_bytes", 1.5),
        ("versions", {"executorch": 1}),
        ("thermal", []),
    ],
)
def test_a_wrong_value_is_refused_and_named(content: dict[str, Any], path: str, value: object) -> None:
    check_record(content, Path("run.json"))
    with pytest.raises(InputError, match=r"run.json is not a run record; found \$\.") as error:
        check_record(put(content, path, value), Path("run.json"))
    assert path.split(".")[0] in str(error.value)


@pytest.mark.parametrize("key", ["engine", "steps", "peak_rss_bytes", "thermal", "objects"])
def test_a_missing_value_is_refused(content: dict[str, Any], key: str) -> None:
    del content[key]
    with pytest.raises(InputError, match=f"'{key}' is a required property"):
        check_record(content, Path("run.json"))


def test_another_version_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="of another version; expected format 1; found 2"):
        check_record(put(content, "format", 2), Path("run.json"))


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_anything_else_is_one_line(content: Any) -> None:
    with pytest.raises(InputError) as error:
        check_record(content, Path("run.json"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\0"])
def test_what_is_not_json_is_one_line(folder: Path, text: str) -> None:
    (folder / "run.json").write_text(text)
    with pytest.raises(InputError, match="is not JSON"):
        read_device_record(folder)


def test_masks_of_another_size_are_refused(folder: Path) -> None:
    (folder / "masks.u8").write_bytes(bytes(71))
    with pytest.raises(InputError, match="found 71 bytes"):
        read_device_record(folder)
    (folder / "masks.u8").unlink()
    with pytest.raises(InputError, match=r"cannot read .*masks\.u8"):
        read_device_record(folder)
