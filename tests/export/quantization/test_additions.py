"""Residual additions: which are meant to be int8, and one that an artefact computes in float is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from export.quantization.additions import float_additions, quantized_additions
from export.quantization.artefacts.reading import open_graph
from export.quantization.placing import place
from export.quantization.unquantized import refuse_unquantized
from export.reference import Reference
from mobilevos.bundle import Bundle
from mobilevos.errors import InputError
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.program import QuantizedNetwork
from mobilevos.quantization.ranges import Range
from mobilevos.quantization.specification import Specification
from mobilevos.quantization.stored import StoredQuantization

pytestmark = pytest.mark.executorch

COUNTS = {"encode_query": 8, "encode_memory": 4, "read_memory": 0, "decode": 7, "segment": 15}
"""Of the student: eight blocks of the trunk, two and the sums of masks and skips, four blocks and three skips."""


def test_every_addition_of_the_student_is_meant_to_be_int8(quantized_student: QuantizedNetwork) -> None:
    found = {name: quantized_additions(quantized_student, name) for name in quantized_student.programs}
    assert {name: len(sites) for name, sites in found.items()} == COUNTS
    assert found["segment"] == found["encode_query"] | found["decode"]


def test_one_that_was_kept_in_float_is_not_though_the_next_layer_rounds_it(quantized_student: QuantizedNetwork) -> None:
    kept = replace(quantized_student, specification=Specification(float_layers=("decoder.blocks8.0",)))
    less = set(quantized_additions(quantized_student, "decode")) - set(quantized_additions(kept, "decode"))
    assert less == {"decoder.blocks8.0/add.0"}


def test_one_that_no_integer_addition_makes_is_missing() -> None:
    meant = {"a/add.0": Range(0.1, 3), "b/add.0": Range(0.1, 3), "c/add.0": Range(0.2, -128)}
    printed = Range(0.1000004, 3)  # with six decimals
    assert float_additions(meant, [printed, Range(0.2, -128), printed]) == ()
    assert float_additions(meant, [printed, Range(0.21, -128)]) == ("b/add.0", "c/add.0")
    assert float_additions(meant, [Range(0.1, 4), printed, printed]) == ("c/add.0",)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["executorch", pytest.param("onnx", marks=pytest.mark.onnx)])
def test_a_bundle_has_all_of_them_in_integers_and_one_without_one_is_refused(
    target: str,
    int8_bundle_of: Callable[[str], Path],
    int8_student: MemoryNetwork,
    int8_stored: StoredQuantization,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = Bundle.open(int8_bundle_of(target))
    reference = Reference(int8_student, bundle.dimensions, int8_stored)
    graph = open_graph(bundle, lambda component: (reference.quantized.programs[component], {}))
    for name, count in COUNTS.items():
        assert len(graph.additions(name) or ()) == count, name
    refuse_unquantized(bundle, reference)
    assert place([bundle], int8_student).bundles[0].failed == ()

    whole = type(graph).additions
    monkeypatch.setattr(type(graph), "additions", lambda self, component: (whole(self, component) or ())[1:])
    with pytest.raises(InputError, match=r"features\.3/add\.0 of encode_query \(an addition in float\)"):
        refuse_unquantized(bundle, reference)
    failed = place([bundle], int8_student).bundles[0].failed
    assert "query_encoder.trunk.features.3/add.0" in failed
    assert len(failed) == 3
