"""Making the placement report: reading every bundle's graphs, and measuring every layer beside the float network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import fx

from export.activations import Activations, record_activations
from export.half_precision import in_precision
from export.ladder.matching import nearest_difference
from export.quantization.additions import float_additions, quantized_additions
from export.quantization.artefacts.found import ArtefactGraph, FoundConvolution
from export.quantization.artefacts.reading import open_graph
from export.quantization.fidelity import layer_differences
from export.quantization.float_activations import float_activations
from export.quantization.layers import Layer, find_layers, layers_in_order
from export.quantization.placement import BundlePlacement, LayerPlacement, PlacementReport, disagreements
from export.quantization.section import meant_of
from export.targets import TARGETS, Advance
from mobilevos.bundle import Bundle
from mobilevos.contract import COMPONENTS
from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.engine import Array
from mobilevos.errors import InputError
from mobilevos.model.components import build_components
from mobilevos.model.folding import fold_batch_norm
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.program import ObservedComponent, QuantizedNetwork, observe, quantize
from mobilevos.quantization.ranges import parse_ranges
from mobilevos.quantization.sites import site_names
from mobilevos.quantization.specification import Observer, Specification

__all__ = ["place", "stages"]

_MEASURED = ("encode_query", "encode_memory", "decode")
"""Every layer once. `segment` computes the first and the last again, and the memory read between them."""


def stages(bundles: int) -> int:
    """Calls of `advance` in `place`."""
    return 1 + bundles + len(_MEASURED) * (bundles + 1)


def place(bundles: Sequence[Bundle], network: MemoryNetwork, advance: Advance = lambda stage: None) -> PlacementReport:
    """Reads what each layer became in each bundle, and measures what it computes there.

    Args:
        bundles: At least one, of this network, for one frame size, made here.
        network: That they were made of.
        advance: Called with a description when a stage begins; see `stages`.

    Raises:
        InputError: The bundles are not for one frame size, one cannot be read, or a toolkit is missing.
    """
    _check(bundles, network)
    advance("recording activations")
    subject = _Subject(network, bundles[0])
    opened = []
    for bundle, name in zip(bundles, _names(bundles), strict=True):
        advance(f"reading {name}")
        opened.append(_Opened(bundle, name, subject))
    reference = _measure(subject, opened, advance)
    placed = tuple(one.placement() for one in opened)
    return PlacementReport(placed, reference, disagreements(placed))


def _check(bundles: Sequence[Bundle], network: MemoryNetwork) -> None:
    first = bundles[0]
    for bundle in bundles:
        TARGETS[bundle.target].require_toolkit()
        if bundle.dimensions != first.dimensions:
            raise InputError(
                f"{first.folder} and {bundle.folder} are for different frames",
                expected="bundles of one size, memory and number of objects",
            )
    d = first.dimensions
    if network.dimensions(d.height, d.width, d.memory_frames, d.objects) != d:
        raise InputError(f"{first.folder} was made of another network", found=network.config.name)


def _names(bundles: Sequence[Bundle]) -> list[str]:
    """Target and precision; the folder where that does not tell two bundles apart."""
    kinds = [f"{one.target} {one.precision}" for one in bundles]
    count = Counter(kinds)
    return [kind if count[kind] == 1 else str(one.folder) for kind, one in zip(kinds, bundles, strict=True)]


class _Subject:
    """The network on real activations, in float and as int8 is meant."""

    def __init__(self, network: MemoryNetwork, bundle: Bundle) -> None:
        self.network, self.dimensions = network, bundle.dimensions
        self.observed: dict[str, ObservedComponent] = observe(network, self.dimensions, Specification())
        self.layers = layers_in_order(network, self.observed)
        self.activations: Activations = record_activations(EagerEngine(network), self.dimensions)
        self._quantized: dict[str, QuantizedNetwork] = {}

    def expected(self, component: str) -> dict[str, Array]:
        """The float network's activations, by site."""
        one = self.observed[component]
        return float_activations(one.graph, one.sites, self.activations[component][0])

    def quantized(self, section: Mapping[str, Any]) -> QuantizedNetwork:
        """The int8 reference of a bundle's own ranges."""
        key = repr((section["float_layers"], section["ranges"]))
        if key not in self._quantized:
            ranges, specification = parse_ranges(section["ranges"]), _specification(section)
            self._quantized[key] = quantize(self.network, self.dimensions, specification, ranges, _MEASURED)
        return self._quantized[key]


def _specification(section: Mapping[str, Any]) -> Specification:
    """What the section of a bundle says; that of kernels alone, without an observer, keeps none of them in float."""
    if section["activations"] is None:
        return Specification()
    return Specification(Observer(section["observer"]), tuple(section["float_layers"]))


class _Opened:
    """A bundle, its graphs, and the convolution of each layer in each of them."""

    def __init__(self, bundle: Bundle, name: str, subject: _Subject) -> None:
        self.bundle, self.name, self._subject = bundle, name, subject
        self.section: Mapping[str, Any] | None = bundle.manifest.get("quantization")
        self.graph: ArtefactGraph = open_graph(bundle, cache(self._program))
        self.found = {name: self._found(name, subject.layers[name]) for name in COMPONENTS if subject.layers[name]}
        self.sqnr_db: dict[str, float] = {}

    def _found(self, component: str, layers: tuple[Layer, ...]) -> dict[str, FoundConvolution]:
        return find_layers(layers, self.graph.convolutions(component))

    def _program(self, component: str) -> tuple[fx.GraphModule, Mapping[str, str]]:
        """What the component was lowered from."""
        if self.section is not None:
            quantized = self._subject.quantized(self.section)
            return quantized.programs[component], quantized.sites[component]
        folded = fold_batch_norm(self._subject.network).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        module = in_precision({component: build_components(folded)[component]}, self.bundle.precision)[component]
        inputs = tuple(map(torch.from_numpy, self._subject.activations[component][0]))
        graph = torch.export.export(module, inputs).module(check_guards=False)
        assert isinstance(graph, fx.GraphModule)
        return graph, site_names(graph.graph)

    def measure(self, component: str, expected: Mapping[str, Array]) -> None:
        """Notes each layer's signal to noise ratio."""
        values = self.graph.values(component, self._subject.activations[component][0], self.found[component])
        for layer, value in values.items():
            difference = nearest_difference(expected[layer], value)
            if difference is not None:
                self.sqnr_db[layer] = difference.sqnr_db

    def placement(self) -> BundlePlacement:
        """What was found."""
        bundle = self.bundle
        names = dict.fromkeys(layer.name for name in _MEASURED for layer in self._subject.layers[name])
        layers = {name: LayerPlacement(self._meant(name), self._of(name), self.sqnr_db.get(name)) for name in names}
        measured_by, additions = self.graph.measured_by, self._float_additions()
        return BundlePlacement(
            self.name, str(bundle.folder), bundle.target, bundle.precision, measured_by, layers, additions
        )

    def _float_additions(self) -> tuple[str, ...]:
        """By site, of those that were meant to be int8."""
        if self.section is None or self.section["activations"] is None:
            return ()
        quantized, missing = self._subject.quantized(self.section), list[str]()
        for component in _MEASURED:
            found = self.graph.additions(component)
            missing += [] if found is None else float_additions(quantized_additions(quantized, component), found)
        return tuple(missing)

    def _of(self, layer: str) -> dict[str, FoundConvolution | None]:
        """By component that computes the layer, in the contract's order."""
        return {
            component: found.get(layer)
            for component, found in self.found.items()
            if any(one.name == layer for one in self._subject.layers[component])
        }

    def _meant(self, layer: str) -> str:
        if self.section is None or _specification(self.section).float_part(layer, "conv2d") is not None:
            return ""
        return meant_of(self.bundle)


def _measure(subject: _Subject, opened: Sequence[_Opened], advance: Advance) -> dict[str, float]:
    """Measures all layers in all bundles, component by component, so that one component's activations are held at once.

    Returns:
        The int8 reference's signal to noise ratios, by layer, for the first bundle with activations in int8.
    """
    sections = (one.section for one in opened if one.section is not None)
    section = next((one for one in sections if one["activations"] is not None), None)
    reference: dict[str, float] = {}
    for component in _MEASURED:
        advance(f"computing {component} in float")
        expected, names = subject.expected(component), {one.name for one in subject.layers[component]}
        if section is not None:
            quantized = subject.quantized(section)
            inputs = subject.activations[component][0]
            lost = layer_differences(quantized.programs[component], quantized.sites[component], expected, inputs)
            reference |= {site: one.sqnr_db for site, one in lost.items() if site in names}
        for one in opened:
            advance(f"measuring {component} of {one.name}")
            one.measure(component, expected)
    return reference
