"""An int8 bundle with a layer in float that nobody wanted there is refused by that layer's name, and not written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from export.pipeline import export_bundle
from export.quantization.unquantized import refuse_unquantized
from export.reference import Reference
from export.targets import TARGETS, Target
from mobilevos.bundle import Bundle
from mobilevos.errors import InputError
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.stored import StoredQuantization

pytestmark = [pytest.mark.executorch, pytest.mark.slow]

IN_FLOAT = "decoder.to8.0"


def test_a_layer_that_the_artefacts_have_in_float_is_named(
    int8_target: str,
    int8_bundle_of: Callable[[str], Path],
    int8_student: MemoryNetwork,
    int8_stored: StoredQuantization,
) -> None:
    bundle = Bundle.open(int8_bundle_of(int8_target))
    refuse_unquantized(bundle, Reference(int8_student, bundle.dimensions, int8_stored))
    whole = replace(int8_stored, specification=replace(int8_stored.specification, float_layers=()))
    with pytest.raises(InputError, match=rf"expected int8; found {IN_FLOAT} of decode \(fp32\), {IN_FLOAT} of segment"):
        refuse_unquantized(bundle, Reference(int8_student, bundle.dimensions, whole))


@pytest.mark.onnx
def test_nothing_is_written_of_a_bundle_that_is_int8_by_name_alone(
    int8_student: MemoryNetwork, int8_stored: StoredQuantization, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = TARGETS["onnx"]
    in_float = SimpleNamespace(
        build_int8=lambda request, quantized, folder, advance: target.load().build(request, folder, advance)
    )
    monkeypatch.setattr(Target, "load_int8", lambda self: in_float)
    dimensions = int8_student.dimensions(32, 48, 2, 1)
    with pytest.raises(InputError, match=r"did not quantize every layer; expected int8; found query_encoder.*more"):
        export_bundle(target, int8_student, dimensions, tmp_path / "new", precision="int8", quantization=int8_stored)
    assert list(tmp_path.iterdir()) == []
