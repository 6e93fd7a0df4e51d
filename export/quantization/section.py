"""The manifest's section of a bundle in int8: what was meant to be quantized, how, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite
from typing import Any

from export.reference import Reference, WeightOnlyReference
from mobilevos.bundle import Bundle
from mobilevos.quantization.specification import ACTIVATIONS, FLOAT_PARTS, WEIGHTS

__all__ = ["INT8", "INT8_WEIGHTS", "arithmetic_of", "meant_of", "quantization_section"]

INT8 = "int8"
"""The precision whose bundles have it."""

INT8_WEIGHTS = "int8 weights"
"""The arithmetic of a bundle in `int8` whose activations stay in float."""

_FLOAT_ACTIVATIONS = {
    "name": "activations",
    "reason": "kernels alone were asked for in 8 bits: every sum and every activation is in float",
}


def arithmetic_of(precision: str, options: Mapping[str, Any]) -> str:
    """What a bundle computes in: its precision, or `INT8_WEIGHTS`.

    Args:
        precision: Of the bundle.
        options: The target's own, as its manifest holds them.
    """
    return INT8_WEIGHTS if precision == INT8 and options.get("weights_only") else precision


def quantization_section(reference: Reference) -> dict[str, Any]:
    """As JSON takes it. Of kernels alone, `activations` and `observer` are null, and there are no ranges.

    Args:
        reference: In int8.
    """
    kept = {"sqnr_db": {name: value if isfinite(value) else None for name, value in reference.int8_sqnr_db.items()}}
    if isinstance(reference, WeightOnlyReference):
        nothing: dict[str, Any] = {"activations": None, "observer": None, "float_layers": [], "ranges": {}}
        float_parts, source = [_FLOAT_ACTIVATIONS], "none: no activation is rounded"
        return {"weights": asdict(WEIGHTS), **nothing, "float_parts": float_parts, "source": source, **kept}
    stored = reference.quantization
    assert stored is not None
    return {
        "weights": asdict(WEIGHTS),
        "activations": asdict(ACTIVATIONS),
        "float_parts": [{"name": part.name, "reason": part.reason} for part in FLOAT_PARTS],
        **stored.to_json(),
        **kept,
    }


def meant_of(bundle: Bundle) -> str:
    """What the layers of a bundle in int8 are meant to be, those aside that are kept in float."""
    return arithmetic_of(INT8, bundle.manifest.get("options", {}))
