"""The report as data: what fails, and where two bundles differ."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from export.quantization.artefacts.found import Arithmetic, FoundConvolution
from export.quantization.page import placement_page
from export.quantization.pictures import placement_picture
from export.quantization.placement import (
    NOT_FOUND,
    BundlePlacement,
    LayerPlacement,
    PlacementReport,
    disagreements,
)
from mobilevos.quantization.ranges import Range

INTEGER = FoundConvolution(
    "t",
    np.ones((2, 1, 1, 1), np.float32),
    Arithmetic.INT8,
    "int8",
    np.array([0.1, 0.2], np.float32),
    Range(0.5, 3),
    Range(0.25, -128),
)
FLOAT = FoundConvolution("t", INTEGER.kernel, Arithmetic.FP32, "fp32")


def bundle(name: str, *placed: LayerPlacement) -> BundlePlacement:
    layers = {f"decoder.layer<{index}>": one for index, one in enumerate(placed)}
    return BundlePlacement(name, f"build/{name}", name, "int8", "its runtime", layers)


def int8(found: FoundConvolution | None, **others: FoundConvolution | None) -> LayerPlacement:
    return LayerPlacement("int8", {"decode": found, **others}, 30.0)


@pytest.mark.parametrize(
    ("placed", "fails", "runs_in"),
    [
        (int8(INTEGER), False, "int8"),
        (int8(replace(INTEGER, arithmetic=Arithmetic.INT8_PAIR)), False, "int8 pair"),
        (int8(FLOAT), True, "fp32"),
        (int8(None), True, NOT_FOUND),
        (int8(INTEGER, segment=FLOAT), True, "int8, fp32"),  # what a phone runs is the fused step
        (int8(INTEGER, segment=INTEGER), False, "int8"),
        (int8(replace(INTEGER, weights="fp32")), True, "int8"),
        (LayerPlacement("", {"decode": FLOAT}), False, "fp32"),
        (LayerPlacement("int8 weights", {"decode": replace(FLOAT, weights="int8")}), False, "w8 fp32"),
        (LayerPlacement("int8 weights", {"decode": FLOAT}), True, "fp32"),
    ],
)
def test_a_layer_fails_if_a_program_computes_it_otherwise_than_was_meant(
    placed: LayerPlacement, fails: bool, runs_in: str
) -> None:
    assert (placed.failed, placed.runs_in) == (fails, runs_in)
    assert placed.to_json()["failed"] == fails


def test_bundles_that_compute_alike_do_not_differ() -> None:
    same = replace(INTEGER, weight_scales=np.array([0.10000001, 0.2], np.float32))
    pair = replace(same, arithmetic=Arithmetic.INT8_PAIR)
    assert disagreements((bundle("a", int8(INTEGER)), bundle("b", int8(same)), bundle("c", int8(pair)))) == ()


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (FLOAT, "runs in"),
        (replace(INTEGER, weight_scales=np.array([0.1, 0.21], np.float32)), "weight scales"),
        (replace(INTEGER, weight_scales=np.array([0.15], np.float32)), "weight scales"),
        (replace(INTEGER, input=Range(0.5, 4)), "input"),
        (replace(INTEGER, output=Range(0.26, -128)), "output"),
    ],
)
def test_a_difference_is_named(other: FoundConvolution, what: str) -> None:
    (found,) = disagreements((bundle("a", int8(INTEGER)), bundle("b", int8(other))))
    assert (found.layer, found.what) == ("decoder.layer<0>", what)
    assert set(found.values) == {"a", "b"}


def test_the_report_is_json_a_page_and_a_picture() -> None:
    bundles = (bundle("a", int8(INTEGER), int8(None)), bundle("b", int8(FLOAT), int8(INTEGER)))
    infinite = LayerPlacement("int8", {"decode": INTEGER}, float("inf"))
    bundles += (bundle("c", infinite, LayerPlacement("", {"decode": FLOAT})),)
    report = PlacementReport(bundles, {"decoder.layer<0>": float("inf")}, disagreements(bundles))
    assert report.failed
    stored = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert stored["bundles"][0]["failed"] == ["decoder.layer<1>"]
    assert stored["bundles"][2]["layers"]["decoder.layer<0>"]["sqnr_db"] is None
    page = placement_page(report)
    assert "decoder.layer&lt;1&gt;" in page
    assert "layer<1" not in page
    assert "https://" not in page
    assert placement_picture(report).startswith(b"\x89PNG")
