"""From a component to its quantized program, through PyTorch's export and torchao (PT2E).

    component --export--> graph --observe--> graph with observers --calibrate--> ranges
    component --export--> graph --observe--> the ranges in the observers' place --convert--> quantized program

The quantized program is the reference of every target: kernels are int8 in it, biases lie where int32 holds them, and
what leaves a quantized layer is rounded to 8 bits and made a float again. What follows computes in float32, so it runs
anywhere and is slow.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from mobilevos.contract import COMPONENTS, Dimensions, signature
from mobilevos.errors import InputError
from mobilevos.model.components import build_components, example_inputs
from mobilevos.model.folding import fold_batch_norm
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.biases import round_biases
from mobilevos.quantization.ranges import Range, Ranges, check_observed, range_of
from mobilevos.quantization.sites import output_sites, site_names
from mobilevos.quantization.specification import ACTIVATIONS, Specification
from mobilevos.toolkit_noise import quiet_imports

__all__ = ["ObservedComponent", "QuantizedNetwork", "observe", "quantize", "quantize_graph"]


@dataclass(frozen=True)
class ObservedComponent:
    """A component's graph with an observer wherever an activation is to be rounded.

    Attributes:
        graph: Computes what the component computes, and notes what its activations hold.
        observers: Name of the observer in the graph, by site. Sites that must have one range share an observer.
        sites: Site of each node that computes, or is given, an activation, by its name.
    """

    graph: fx.GraphModule
    observers: Mapping[str, str]
    sites: Mapping[str, str]

    def ranges(self) -> dict[str, Range]:
        """What the observers have found, by site.

        Raises:
            InputError: A site saw nothing but 0, or values that are not finite.
        """
        return {site: _observed_range(site, self.graph.get_submodule(name)) for site, name in self.observers.items()}


@dataclass(frozen=True)
class QuantizedNetwork:
    """A network in int8: what every target is handed.

    Attributes:
        programs: The quantized program of each component, by name: PyTorch's reference of what a target computes.
        sites: By component, the site of each node of its float graph, by the node's name; see `sites`.
        ranges: By site, of all that is quantized.
        specification: What is quantized and how.
    """

    programs: Mapping[str, fx.GraphModule]
    sites: Mapping[str, Mapping[str, str]]
    ranges: Ranges
    specification: Specification


def observe(
    network: MemoryNetwork,
    dimensions: Dimensions,
    specification: Specification,
    components: Iterable[str] = COMPONENTS,
) -> dict[str, ObservedComponent]:
    """Puts observers into a network's components.

    Args:
        network: Left as it is; batch norm is folded in a copy.
        dimensions: Of the programs.
        specification: What is quantized, and how its ranges are found.
        components: Names of those that are wanted.

    Raises:
        InputError: ExecuTorch, whose quantizer is used, is not installed.
    """
    folded = fold_batch_norm(network).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with quantizing():
        modules = build_components(folded)
        graphs = {name: _export(name, modules[name], dimensions) for name in {"encode_query", *components}}
        contract = signature("encode_query", dimensions)
        # What one component hands to another is one activation, and has one range.
        handed = output_sites(graphs["encode_query"].graph, tuple(spec.name for spec in contract.outputs))
        return {name: _with_observers(graphs[name], specification, handed) for name in components}


def quantize(
    network: MemoryNetwork,
    dimensions: Dimensions,
    specification: Specification,
    ranges: Ranges,
    components: Iterable[str] = COMPONENTS,
) -> QuantizedNetwork:
    """The quantized programs of a network's components, for these ranges.

    Args:
        network: As in `observe`.
        dimensions: Of the programs; the ranges hold for any.
        specification: What is quantized.
        ranges: Of every site.
        components: Names of those that are wanted.

    Raises:
        InputError: A site has no range, or ExecuTorch is not installed.
    """
    observed = observe(network, dimensions, specification, components)
    with quantizing():
        programs = {name: _converted(one, ranges) for name, one in observed.items()}
    used = {site: ranges[site] for one in observed.values() for site in one.observers}
    return QuantizedNetwork(programs, {name: one.sites for name, one in observed.items()}, used, specification)


def quantize_graph(
    graph: fx.GraphModule, specification: Specification, ranges: Ranges, inputs: Mapping[str, str]
) -> fx.GraphModule:
    """The quantized program of a component that was exported in another way, e.g. for any number of objects.

    Args:
        graph: Of the component, batch norm folded. It is changed.
        specification: What is quantized.
        ranges: Of every site.
        inputs: Sites of the graph's inputs, by the contract's names.

    Raises:
        InputError: A site has no range, or ExecuTorch is not installed.
    """
    with quantizing():
        return _converted(_with_observers(graph, specification, inputs), ranges)


def _export(component: str, module: nn.Module, dimensions: Dimensions) -> fx.GraphModule:
    inputs = example_inputs(component, dimensions, torch.Generator().manual_seed(0))
    graph = torch.export.export(module, inputs).module(check_guards=False)
    assert isinstance(graph, fx.GraphModule)
    return graph


def _with_observers(
    graph: fx.GraphModule, specification: Specification, handed: Mapping[str, str]
) -> ObservedComponent:
    from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

    from mobilevos.quantization.quantizer import SpecificationQuantizer

    graph.graph.eliminate_dead_code()  # which may take a site, and holds the weights of other components
    sites = site_names(graph.graph, handed)
    prepared: fx.GraphModule = prepare_pt2e(graph, SpecificationQuantizer(specification))
    observers = {}
    for node in prepared.graph.nodes:
        if node.op == "call_module" and node.args[0].name in sites:  # and not of a kernel
            observers[sites[node.args[0].name]] = str(node.target)
    return ObservedComponent(prepared, observers, sites)


def _observed_range(site: str, observer: Any) -> Range:
    if hasattr(observer, "min_val"):  # and not a range that is known
        check_observed(site, float(observer.min_val), float(observer.max_val))
    scale, zero_point = observer.calculate_qparams()
    return Range(float(scale), int(zero_point))


def _converted(observed: ObservedComponent, ranges: Ranges) -> fx.GraphModule:
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e

    converted: fx.GraphModule = convert_pt2e(_with_ranges(observed, ranges))
    round_biases(converted)
    return converted


def _with_ranges(observed: ObservedComponent, ranges: Ranges) -> fx.GraphModule:
    """The graph with constants in the observers' place."""
    from torchao.quantization.pt2e.observer import FixedQParamsObserver

    _observe_kernels(observed.graph)
    for site, name in observed.observers.items():
        known = range_of(site, ranges)
        fixed = FixedQParamsObserver(
            known.scale,
            known.zero_point,
            torch.int8,
            torch.per_tensor_affine,
            ACTIVATIONS.minimum,
            ACTIVATIONS.maximum,
        )
        observed.graph.set_submodule(name, fixed)
    return observed.graph


def _observe_kernels(graph: fx.GraphModule) -> None:
    """Shows every kernel to its observer, which running the graph would do too."""
    for node in graph.graph.nodes:
        if node.op == "call_module" and node.args[0].op == "get_attr":
            kernel = graph.get_parameter(str(node.args[0].target))
            graph.get_submodule(str(node.target))(kernel)


@contextmanager
def quantizing() -> Iterator[None]:
    """Names the extra where the toolkit is missing, and keeps its remarks on itself off the screen."""
    quiet_imports()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    except ModuleNotFoundError as error:
        raise InputError(
            "int8 needs ExecuTorch's quantizer", found=f"no {error.name}", remedy="pip install 'mobilevos[executorch]'"
        ) from error
