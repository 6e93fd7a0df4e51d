"""The tables of the int8 ladder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.accuracy_rungs import Rung, gates
from benchmarks.int8_ladder import HEADERS, rung_names, sqnr_table, table_rows
from mobilevos.errors import InputError
from mobilevos.evaluation.agreement import Agreement

FLOAT = Rung("float32", "float", "", {"dog": 0.9}, 0.9, None, {}, None, {})
QUANTIZED = replace(FLOAT, name="fake-quantized", kind="reference", sqnr_db={"read_memory": None, "segment": 17.06})
RUNTIME = replace(
    QUANTIZED,
    name="coreml",
    kind="runtime",
    j_and_f=0.891,
    agreement=Agreement(0.98, 0.9, "dog:00042"),
    sqnr_db={"read_memory": 90.0, "segment": 17.0, "segment_stateful": 16.9},
    size_bytes=2_900_000,
)


def test_a_rung_shows_its_worst_frame_and_the_ratio_of_its_fused_step() -> None:
    rows = table_rows([FLOAT, QUANTIZED, RUNTIME])
    assert {len(row) for row in rows} == {len(HEADERS)}
    assert rows[0] == ("float32", "90.00", "+0.00", "-", "-", "-", "-")
    assert rows[2] == ("coreml", "89.10", "-0.90", "0.9800", "0.900", "17.0", "2.9")


def test_the_gate_on_masks_names_the_worst_frame() -> None:
    loss, masks = gates([FLOAT, QUANTIZED, RUNTIME])
    assert (loss.found, loss.passed) == ("+0.90", True)
    assert str(masks) == "passed: coreml: mean IoU 0.9800, worst frame 0.900 in dog:00042, limit 0.97"
    agreement = Agreement(0.9699, 0.9, "dog:00042")
    assert [one.passed for one in gates([FLOAT, replace(RUNTIME, agreement=agreement)])] == [True, False]


def test_every_component_has_its_ratio_and_float_has_no_line() -> None:
    headers, rows = sqnr_table([FLOAT, QUANTIZED, RUNTIME])
    assert headers == ("rung", "read memory", "segment", "segment stateful")
    assert rows == [("fake-quantized", "equal", "17.1", "-"), ("coreml", "90.0", "17.0", "16.9")]


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        ({"build/int8/coreml": "coreml", "build/int8/onnx": "onnx"}, ["coreml", "onnx"]),
        (
            {"int8/coreml": "coreml", "int8/weights": "coreml", "int8/onnx": "onnx"},
            ["coreml coreml", "coreml weights", "onnx"],
        ),
        ({"int8/coreml": "coreml", "kept/coreml": "coreml"}, ["coreml int8-coreml", "coreml kept-coreml"]),
        ({"/b/coreml": "coreml", "/a/b/coreml": "coreml"}, ["coreml b-coreml", "coreml a-b-coreml"]),
        ({"coreml": "coreml", "coreml/inner": "coreml"}, ["coreml coreml", "coreml inner"]),
    ],
)
def test_bundles_of_one_target_have_rungs_of_their_own(folders: dict[str, str], names: list[str]) -> None:
    assert rung_names([(target, Path(folder)) for folder, target in folders.items()]) == names
    assert not any("/" in name for name in names)


def test_a_bundle_that_is_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match="a bundle is given twice"):
        rung_names([("coreml", Path("a/b")), ("coreml", Path("a/../a/b"))])
