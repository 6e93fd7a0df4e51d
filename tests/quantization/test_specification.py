"""What the specification quantizes, and what it keeps in float with which reason."""

from __future__ import annotations

import pytest

from mobilevos.quantization.specification import FLOAT_PARTS, Specification


@pytest.mark.parametrize(
    ("layer", "operator", "part"),
    [
        ("", "bmm", "memory read and bank rows"),
        ("", "add", "memory read and bank rows"),
        ("query_encoder", "div", "normalisation of the frame"),
        ("decoder", "upsample_bilinear2d", "bilinear upsampling"),
    ],
)
def test_it_declares_what_stays_in_float(layer: str, operator: str, part: str) -> None:
    found = Specification().float_part(layer, operator)
    assert found is not None
    assert found.name == part
    assert found.reason


@pytest.mark.parametrize(("layer", "operator"), [("decoder.head", "conv2d"), ("decoder", "add"), ("decoder", "relu")])
def test_it_quantizes_layers(layer: str, operator: str) -> None:
    assert Specification().float_part(layer, operator) is None


def test_layers_are_kept_in_float_on_request_with_all_below_them_and_no_namesake() -> None:
    kept = Specification(float_layers=("decoder.blocks8", "decoder.to"))
    assert kept.float_part("decoder.blocks8", "conv2d") is not None
    assert kept.float_part("decoder.blocks8.0.depthwise.0", "conv2d") is not None
    assert kept.float_part("decoder.blocks8x", "conv2d") is None
    assert kept.float_part("decoder.to8.0", "conv2d") is None


def test_every_part_has_a_reason() -> None:
    assert all(part.reason for part in FLOAT_PARTS)
