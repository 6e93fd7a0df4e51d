"""The manifest's section of a bundle in int8: what was meant to be quantized, how, and what it costs."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from typing import Any

from export.reference import Reference
from mobilevos.bundle import Bundle
from mobilevos.quantization.specification import ACTIVATIONS, FLOAT_PARTS, WEIGHTS

__all__ = ["INT8", "meant_of", "quantization_section"]

INT8 = "int8"
"""The precision whose bundles have it."""


def quantization_section(reference: Reference) -> dict[str, Any]:
    """As JSON takes it.

    Args:
        reference: In int8.
    """
    stored = reference.quantization
    assert stored is not None
    return {
        "weights": asdict(WEIGHTS),
        "activations": asdict(ACTIVATIONS),
        "float_parts": [{"name": part.name, "reason": part.reason} for part in FLOAT_PARTS],
        **stored.to_json(),
        "sqnr_db": {name: value if isfinite(value) else None for name, value in reference.int8_sqnr_db.items()},
    }


def meant_of(bundle: Bundle) -> str:
    """What the layers of a bundle in int8 are meant to be, those aside that are kept in float."""
    return "int8 weights" if bundle.manifest.get("options", {}).get("weights_only") else INT8
