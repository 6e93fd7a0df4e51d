"""The audit of Core ML programs counts operators, and finds what float16 does not hold."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from export.activations import record_activations
from export.checks.coreml_audit import audit_bundle, audit_function, placements
from mobilevos.bundle import Bundle
from mobilevos.contract import COMPONENTS
from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.mil import MilFunction, MilOperation, MilTensor
from mobilevos.errors import InputError
from mobilevos.model.checkpoint import load_network

HALF = torch.float16


def scaled(dtype: torch.dtype = HALF, weight: float = 2.0) -> MilFunction:
    """`y = relu(x * w)` of four values."""
    x, product, y = (MilTensor(name, (4,), dtype) for name in ("x", "product", "y"))
    operations = (
        MilOperation(2, "mul", {"x": "x", "y": "w"}, {}, product),
        MilOperation(3, "relu", {"x": "product"}, {}, y),
    )
    return MilFunction("main", (x,), {"w": torch.full((4,), weight).to(dtype)}, operations, (y,))


def test_operators_and_types_are_counted() -> None:
    audit = audit_function(scaled(), {"x": torch.ones(4)}, "program")
    assert audit.operators == {"mul": 1, "relu": 1}
    assert audit.dtypes == {"float16": 2}
    assert audit.constants == audit.activations == ()
    assert audit.to_json()["evaluated"] == "evaluated by the MIL interpreter, not by Apple's runtime"


def test_a_result_beyond_float16_is_found_with_its_true_value() -> None:
    audit = audit_function(scaled(), {"x": torch.tensor([1.0, 2.0, 3.0, -40_000.0])}, "program")
    (found,) = audit.overflows
    assert (found.tensor, found.operator, found.largest) == ("product", "mul", 80_000.0)


def test_a_result_below_the_normal_numbers_is_found() -> None:
    audit = audit_function(scaled(), {"x": torch.tensor([1e-6, 2e-6, 1e-5, 1.0])}, "program")
    assert audit.overflows == ()
    assert [(one.tensor, one.below_normal) for one in audit.activations] == [("product", 0.75), ("y", 0.75)]


@pytest.mark.parametrize(("weight", "overflows"), [(1e5, True), (1e-6, False)])
def test_a_weight_that_float16_does_not_hold(weight: float, overflows: bool) -> None:
    (found,) = audit_function(scaled(weight=weight), {"x": torch.zeros(4)}, "program").constants
    assert (found.tensor, found.operator, found.overflows) == ("w", "const", overflows)


def test_a_float32_program_overflows_nowhere() -> None:
    audit = audit_function(scaled(torch.float32, 1e6), {"x": torch.full((4,), 1e-9)}, "program")
    assert audit.constants == audit.activations == ()


@pytest.mark.coreml
def test_a_bundle_is_audited_component_by_component(bundle_of: Callable[[str], Path], random_checkpoint: Path) -> None:
    bundle = Bundle.open(bundle_of("coreml"))
    audits = audit_bundle(bundle, record_activations(EagerEngine(load_network(random_checkpoint)), bundle.dimensions))
    assert list(audits) == list(COMPONENTS)
    assert audits["read_memory"].operators["matmul"] == 2
    assert audits["read_memory"].operators["softmax"] == 1
    assert {dtype for audit in audits.values() for dtype in audit.dtypes} == {"float32"}


@pytest.mark.skipif(sys.platform == "darwin", reason="there it exists")
def test_the_compute_plan_is_apples_alone(bundle_of: Callable[[str], Path]) -> None:
    with pytest.raises(InputError, match=r"compute plan of Core ML; expected macOS 14\.4 or later; found"):
        placements(Bundle.open(bundle_of("torchscript")), "segment")
