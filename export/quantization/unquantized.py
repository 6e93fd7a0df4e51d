"""The check of a fresh int8 bundle: no layer or addition that was to be int8 is anything else in its artefacts."""

from __future__ import annotations

from collections.abc import Mapping

from torch import fx

from export.quantization.additions import float_additions, quantized_additions
from export.quantization.artefacts.found import ArtefactGraph
from export.quantization.artefacts.reading import READABLE, open_graph
from export.quantization.layers import find_layers, layers_in_order
from export.quantization.placement import LayerPlacement
from export.quantization.section import meant_of
from export.reference import Reference, WeightOnlyReference
from mobilevos.bundle import Bundle
from mobilevos.errors import InputError
from mobilevos.quantization.program import ObservedComponent, observe
from mobilevos.quantization.specification import Specification

__all__ = ["refuse_unquantized"]

_SHOWN = 3


def refuse_unquantized(bundle: Bundle, reference: Reference) -> None:
    """Reads from the artefacts what each layer became.

    Args:
        bundle: Made here, in int8.
        reference: That it was made of.

    Raises:
        InputError: A layer or an addition is not in int8 that the specification does not keep in float.
    """
    if bundle.target not in READABLE:
        return
    specification, components = _components(reference)

    def program(component: str) -> tuple[fx.GraphModule, Mapping[str, str]]:
        return components[component].graph, components[component].sites

    graph, meant = open_graph(bundle, program), meant_of(bundle)
    wrong = []
    for component, layers in layers_in_order(reference.network, components).items():
        found = find_layers(layers, graph.convolutions(component)) if layers else {}
        for layer in layers:
            kept = specification.float_part(layer.name, "conv2d") is not None
            placed = LayerPlacement("" if kept else meant, {component: found.get(layer.name)})
            if placed.failed:
                wrong.append(f"{layer.name} of {component} ({placed.runs_in})")
        wrong += [f"{site} of {component} (an addition in float)" for site in _additions(component, graph, reference)]
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise InputError(
            "the toolkit did not quantize every layer",
            expected=meant,
            found=f"{', '.join(wrong[:_SHOWN])}{more}",
            remedy="pass --keep-float with the layers, if they may stay in float",
        )


def _additions(component: str, graph: ArtefactGraph, reference: Reference) -> tuple[str, ...]:
    """Those that are not in integers and should be."""
    found = graph.additions(component)
    if found is None or isinstance(reference, WeightOnlyReference):
        return ()
    return float_additions(quantized_additions(reference.quantized, component), found)


def _components(reference: Reference) -> tuple[Specification, dict[str, ObservedComponent]]:
    """What is to be quantized, and the graphs that say which layers there are."""
    if isinstance(reference, WeightOnlyReference):  # every kernel
        specification = Specification()
        return specification, observe(reference.network, reference.dimensions, specification)
    quantized = reference.quantized
    graphs = {name: ObservedComponent(one, {}, quantized.sites[name]) for name, one in quantized.programs.items()}
    return quantized.specification, graphs
