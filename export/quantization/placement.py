"""What each layer of a network became in each bundle, as data: read from the artefacts, not from what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

import numpy as np

from export.quantization.artefacts.found import FoundConvolution
from mobilevos.quantization.ranges import Range

__all__ = [
    "NOT_FOUND",
    "BundlePlacement",
    "Disagreement",
    "LayerPlacement",
    "PlacementReport",
    "disagreements",
    "range_text",
]

NOT_FOUND = "not found"
"""Of a layer whose kernel no convolution of the artefact's graphs holds: it was left to something else, or is wrong."""

_SAME_SCALE = 1e-3
"""Relative difference of two scales that no runtime would notice."""


@dataclass(frozen=True, eq=False)
class LayerPlacement:
    """One layer in one bundle.

    Attributes:
        meant: What the bundle's specification wants of it: `int8`, `int8 weights`, or empty for float.
        found: By component that computes the layer, the convolution; None where there is none that holds its kernel.
        sqnr_db: Of what it hands on beside the float network's, decibels; infinite if equal, None if not measured.
    """

    meant: str
    found: Mapping[str, FoundConvolution | None]
    sqnr_db: float | None = None

    @property
    def runs_in(self) -> str:
        """What it is computed in; if components differ, all of it."""
        each = (NOT_FOUND if one is None else _text(one) for one in self.found.values())
        return ", ".join(dict.fromkeys(each))

    @property
    def first(self) -> FoundConvolution | None:
        """Of the first component that has it."""
        return next((one for one in self.found.values() if one is not None), None)

    @property
    def failed(self) -> bool:
        """It was meant to be int8 and in some component is not."""
        if not self.meant:
            return False
        for one in self.found.values():
            if one is None or one.weights != "int8" or (self.meant == "int8" and not one.arithmetic.quantized):
                return True
        return False

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        one = self.first
        scales = None if one is None or one.weight_scales is None else [float(v) for v in one.weight_scales]
        return {
            "meant": self.meant or "float",
            "runs_in": self.runs_in,
            "components": {name: NOT_FOUND if c is None else c.arithmetic.value for name, c in self.found.items()},
            "weights": None if one is None else one.weights,
            "weight_scales": scales,
            "input": None if one is None or one.input is None else asdict(one.input),
            "output": None if one is None or one.output is None else asdict(one.output),
            "sqnr_db": self.sqnr_db if self.sqnr_db is not None and isfinite(self.sqnr_db) else None,
            "failed": self.failed,
        }


def _text(found: FoundConvolution) -> str:
    """Of a kernel that is stored in 8 bits and computed in float: both."""
    alone = found.weights == "int8" and not found.arithmetic.quantized
    return f"w8 {found.arithmetic.value}" if alone else found.arithmetic.value


@dataclass(frozen=True)
class BundlePlacement:
    """All layers in one bundle.

    Attributes:
        name: Of the bundle in reports, unique among those that are compared.
        folder: Of the bundle.
        target: Of the bundle.
        precision: Of the bundle.
        measured_by: What the signal to noise ratios rest on.
        layers: By layer, in the network's order.
        float_additions: Additions that were meant to be int8 and are not, by site.
    """

    name: str
    folder: str
    target: str
    precision: str
    measured_by: str
    layers: Mapping[str, LayerPlacement]
    float_additions: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[str, ...]:
        """Layers and additions that were meant to be int8 and are not."""
        return (*(name for name, one in self.layers.items() if one.failed), *self.float_additions)

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        facts = {"name": self.name, "folder": self.folder, "target": self.target, "precision": self.precision}
        layers = {name: one.to_json() for name, one in self.layers.items()}
        return facts | {"measured_by": self.measured_by, "failed": list(self.failed), "layers": layers}


@dataclass(frozen=True)
class Disagreement:
    """A layer that two bundles do not compute alike.

    Attributes:
        layer: Its path.
        what: `runs in`, `weight scales`, `input` or `output`.
        values: By bundle, for people.
    """

    layer: str
    what: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class PlacementReport:
    """Bundles side by side.

    Attributes:
        bundles: At least one, of one network.
        reference: Each layer's signal to noise ratio in the int8 reference, decibels; empty if no bundle has
            activations in int8.
        differences: Where bundles do not compute alike.
    """

    bundles: tuple[BundlePlacement, ...]
    reference: Mapping[str, float]
    differences: tuple[Disagreement, ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """In the network's order."""
        return tuple(self.bundles[0].layers)

    @property
    def failed(self) -> bool:
        """A layer or an addition that was meant to be int8 is not."""
        return any(one.failed for one in self.bundles)

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "bundles": [one.to_json() for one in self.bundles],
            "reference_sqnr_db": {name: value if isfinite(value) else None for name, value in self.reference.items()},
            "differences": [asdict(one) for one in self.differences],
        }


def disagreements(bundles: tuple[BundlePlacement, ...]) -> tuple[Disagreement, ...]:
    """Where bundles do not compute a layer alike: in other arithmetic, or between other scales."""
    found = []
    for layer in bundles[0].layers:
        placed = {one.name: one.layers[layer] for one in bundles}
        arithmetic = {name: one.runs_in for name, one in placed.items()}
        if len({text.removesuffix(" pair") for text in arithmetic.values()}) > 1:
            found.append(Disagreement(layer, "runs in", arithmetic))
        held = {name: one.first for name, one in placed.items() if one.first is not None}
        found += _in_scales(layer, held)
    return tuple(found)


def _in_scales(layer: str, held: Mapping[str, FoundConvolution]) -> list[Disagreement]:
    found = []
    weights = {name: one.weight_scales for name, one in held.items() if one.weight_scales is not None}
    arrays = list(weights.values())
    if any(len(one) != len(arrays[0]) or not np.allclose(one, arrays[0], rtol=_SAME_SCALE) for one in arrays[1:]):
        texts = {name: f"{one.min():.3g}..{one.max():.3g}" for name, one in weights.items()}
        found.append(Disagreement(layer, "weight scales", texts))
    for what in ("input", "output"):
        ranges: dict[str, Range] = {name: one for name, c in held.items() if (one := getattr(c, what)) is not None}
        first = next(iter(ranges.values()), None)
        if first is not None and not all(_same(first, one) for one in ranges.values()):
            found.append(Disagreement(layer, what, {name: range_text(one) for name, one in ranges.items()}))
    return found


def _same(one: Range, other: Range) -> bool:
    return one.zero_point == other.zero_point and abs(one.scale - other.scale) <= _SAME_SCALE * one.scale


def range_text(held: Range | None) -> str:
    """`scale, zero point`; a dash for none."""
    return "-" if held is None else f"{held.scale:.4g}, {held.zero_point}"
