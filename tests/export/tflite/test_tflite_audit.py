"""The audit of a `.tflite`: what it says is what the runtime does."""

from __future__ import annotations

import pytest

from export.checks.tflite_audit import audit, delegation_report
from export.tflite_model import single_signature

pytestmark = pytest.mark.tflite


@pytest.mark.parametrize("name", ["once", "twice", "linear"])
def test_what_the_delegate_takes_whole(tiny_tflite: bytes, name: str) -> None:
    found = audit(tiny_tflite)[name]
    assert found.delegation.left == ()
    assert found.delegation.subgraphs == 1
    assert found.delegation.delegated == sum(found.operators.values())


def test_an_operator_in_the_middle_splits_the_delegate_and_is_named(tiny_tflite: bytes) -> None:
    found = audit(tiny_tflite)["gather"]
    (left,) = found.delegation.left
    assert (left.operator, left.count) == ("GATHER_ND", 1)
    assert "float32" in left.reason
    assert found.delegation.subgraphs == 2
    assert found.delegation.delegated == sum(found.operators.values()) - 1


def test_transposes_at_the_boundary_are_counted_and_gone_with_channels_last(
    tiny_tflite: bytes, channels_last_tflite: bytes
) -> None:
    assert audit(tiny_tflite)["once"].transposes == 2
    assert audit(channels_last_tflite)["once"].transposes == 0


def test_tensors_are_counted_by_type(channels_last_tflite: bytes) -> None:
    found = audit(channels_last_tflite)["once"]
    assert found.operators == {"CONV_2D": 1}
    assert found.tensor_types == {"FLOAT32": 4}  # image, kernel, bias, result


def test_the_report_of_a_delegation_can_be_had_alone(tiny_tflite: bytes) -> None:
    alone = single_signature(tiny_tflite, "once")
    assert delegation_report(alone) == audit(tiny_tflite)["once"].delegation
