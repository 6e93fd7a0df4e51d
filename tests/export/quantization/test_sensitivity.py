"""The ranking finds the layer that was made bad, and takes every layer into account."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from export.quantization.pictures import sensitivity_picture
from export.quantization.sensitivity import FramePair, measure_sensitivity
from mobilevos.contract import Dimensions
from mobilevos.data.synthetic import SyntheticClip
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.ranges import Range
from mobilevos.quantization.specification import Specification

pytestmark = pytest.mark.executorch


@pytest.fixture(scope="module")
def pair(small_dimensions: Dimensions) -> FramePair:
    size = (small_dimensions.height, small_dimensions.width)
    clip = SyntheticClip(seed=3, length=4, size=size, objects=1)
    first, later = (torch.from_numpy(clip.frame(t)).permute(2, 0, 1)[None] / 255 for t in (0, 3))
    return FramePair(first, torch.from_numpy(clip.mask(0)).float()[None, None], later)


def test_the_layer_that_was_made_bad_comes_first_and_is_worth_keeping_in_float(
    student: MemoryNetwork, small_dimensions: Dimensions, student_ranges: dict[str, Range], pair: FramePair
) -> None:
    bad = "memory_encoder.projection"
    spoilt = student_ranges | {bad: replace(student_ranges[bad], scale=60 * student_ranges[bad].scale)}
    calls: list[tuple[str, int, int]] = []
    found = measure_sensitivity(
        student,
        small_dimensions,
        Specification(),
        spoilt,
        [pair],
        "a clip",
        "0" * 64,
        lambda layer, done, total: calls.append((layer, done, total)),
    )
    assert found.layers[0].layer == bad
    assert found.layers[0].component == "encode_memory"
    assert found.layers[0].restored.component_db > found.whole["encode_memory"].component_db + 3
    assert [one.alone.logits_db for one in found.layers] == sorted(one.alone.logits_db for one in found.layers)
    assert {one.layer for one in found.layers} == {
        name for name, one in student.named_modules() if isinstance(one, torch.nn.Conv2d)
    }
    assert calls[-1][1:] == (2 * len(found.layers),) * 2
    assert all(0 <= one.alone.iou <= 1 and 0 <= one.restored.iou <= 1 for one in found.layers)
    json.dumps(found.to_json(), allow_nan=False)
    assert sensitivity_picture(found, [one.layer for one in found.layers]).startswith(b"\x89PNG")


def test_a_layer_that_is_in_float_in_any_case_is_not_ranked(
    student: MemoryNetwork, small_dimensions: Dimensions, student_ranges: dict[str, Range], pair: FramePair
) -> None:
    kept = Specification(float_layers=("decoder", "query_encoder"))
    found = measure_sensitivity(student, small_dimensions, kept, student_ranges, [pair], "a clip", "0" * 64)
    assert {one.layer.partition(".")[0] for one in found.layers} == {"memory_encoder"}
