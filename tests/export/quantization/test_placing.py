"""What is read from each target's artefacts is what was asked for, layer by layer, and a layer in float is seen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.quantization.artefacts.found import Arithmetic
from export.quantization.placement import BundlePlacement
from export.quantization.placing import place
from mobilevos.bundle import MANIFEST, Bundle
from mobilevos.errors import InputError
from mobilevos.model.folding import fold_batch_norm
from mobilevos.model.int8_weights import kernel_scale
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.stored import StoredQuantization

pytestmark = [pytest.mark.executorch, pytest.mark.slow]

IN_FLOAT = "decoder.to8.0"


@pytest.fixture(scope="module")
def placed(
    int8_target: str, int8_bundle_of: Callable[[str], Path], int8_student: MemoryNetwork
) -> tuple[BundlePlacement, dict[str, float]]:
    report = place([Bundle.open(int8_bundle_of(int8_target))], int8_student)
    return report.bundles[0], dict(report.reference)


def test_every_convolution_of_the_network_is_found_in_every_program_that_computes_it(
    placed: tuple[BundlePlacement, dict[str, float]], int8_student: MemoryNetwork
) -> None:
    bundle, _ = placed
    assert set(bundle.layers) == {name for name, one in int8_student.named_modules() if type(one).__name__ == "Conv2d"}
    assert set(bundle.layers["decoder.head"].found) == {"decode", "segment"}
    assert set(bundle.layers["query_encoder.key_projection.1"].found) == {"encode_query", "segment"}
    assert set(bundle.layers["memory_encoder.projection"].found) == {"encode_memory"}
    assert all(one is not None for placed in bundle.layers.values() for one in placed.found.values())


def test_all_of_it_runs_in_int8_but_the_layer_that_was_kept_in_float(
    int8_target: str, placed: tuple[BundlePlacement, dict[str, float]]
) -> None:
    bundle, _ = placed
    wanted = Arithmetic.INT8_PAIR if int8_target == "coreml" else Arithmetic.INT8
    assert {one.runs_in for name, one in bundle.layers.items() if name != IN_FLOAT} == {wanted.value}
    assert bundle.layers[IN_FLOAT].runs_in == "fp32"
    assert bundle.layers[IN_FLOAT].meant == ""
    assert bundle.failed == ()


def test_scales_are_those_of_the_specification(
    placed: tuple[BundlePlacement, dict[str, float]], int8_student: MemoryNetwork, int8_stored: StoredQuantization
) -> None:
    bundle, _ = placed
    folded = fold_batch_norm(int8_student)
    for name, one in bundle.layers.items():
        found = one.first
        assert found is not None
        if name == IN_FLOAT:
            continue
        assert found.weight_scales is not None
        assert found.output is not None
        kernel = folded.get_submodule(name).weight
        np.testing.assert_allclose(found.weight_scales, kernel_scale(kernel).detach().numpy(), rtol=1e-5)
        # flatc, which reads ExecuTorch's graphs, prints a scale with six decimals.
        assert found.output.scale == pytest.approx(int8_stored.ranges[name].scale, rel=1e-5, abs=5e-7)
        assert found.output.zero_point == int8_stored.ranges[name].zero_point


def test_what_a_layer_computes_is_as_far_from_float_as_in_the_reference(
    placed: tuple[BundlePlacement, dict[str, float]],
) -> None:
    bundle, reference = placed
    assert set(reference) == set(bundle.layers) - {IN_FLOAT}
    for name, expected in reference.items():
        measured = bundle.layers[name].sqnr_db
        assert measured is not None
        assert measured == pytest.approx(expected, abs=3), name  # steps where a sum lies half-way grow with the depth


def test_a_layer_that_was_meant_to_be_int8_and_is_not_has_failed(
    int8_target: str, int8_bundle_of: Callable[[str], Path], int8_student: MemoryNetwork, tmp_path: Path
) -> None:
    folder = tmp_path / "claims"
    shutil.copytree(int8_bundle_of(int8_target), folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["quantization"]["float_layers"] = []
    (folder / MANIFEST).write_text(json.dumps(manifest))
    (bundle,) = place([Bundle.open(folder)], int8_student).bundles
    assert bundle.failed == (IN_FLOAT,)
    assert bundle.layers[IN_FLOAT].runs_in == "fp32"


def test_bundles_for_different_frames_are_not_compared(
    int8_bundle_of: Callable[[str], Path], int8_student: MemoryNetwork
) -> None:
    one = Bundle.open(int8_bundle_of("executorch"))
    other = replace(one, dimensions=int8_student.dimensions(32, 48, 2, 1))
    with pytest.raises(InputError, match="are for different frames"):
        place([one, other], int8_student)
