"""The convolutions and additions of an ExecuTorch bundle, read from the graphs that XNNPACK's delegate is handed.

The delegate lets nothing be seen between a graph's inputs and outputs. So for their values, the component is lowered
again, from the network and the bundle's own ranges, with every layer as an output instead: the same kernels on the same
program but for the outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import fx

from export.int8_executorch import with_own_conversions
from export.ladder.executorch_prefixes import run_lowered
from export.quantization.artefacts.found import Arithmetic, ArtefactGraph, FoundConvolution, signed
from export.quantization.artefacts.xnnpack_blobs import XnnpackGraph, read_xnnpack_graphs
from export.quantization.fidelity import rounded_node
from mobilevos.bundle import Bundle
from mobilevos.engines.engine import Array
from mobilevos.quantization.ranges import Range
from mobilevos.quantization.sites import operator_of

__all__ = ["ComponentProgram", "ExecutorchGraph"]

ComponentProgram = Callable[[str], tuple[fx.GraphModule, Mapping[str, str]]]
"""Gives a component's program as the bundle was made of it, and the site of each node of its float graph."""

_CONVOLUTIONS = ("XNNConv2d", "XNNDepthwiseConv2d", "XNNConvTranspose2d")
_ADDITION, _OPERANDS = "XNNAdd", ("input1_id", "input2_id", "output_id")
_FLOATS = {"xnn_datatype_fp32": np.float32, "xnn_datatype_fp16": np.float16}
_INTEGERS = ("xnn_datatype_qint8", "xnn_datatype_qcint8")


class ExecutorchGraph(ArtefactGraph):
    """A bundle of target `executorch`.

    Args:
        bundle: Lowered to XNNPACK.
        program: To be lowered again for `values`.
    """

    measured_by = "XNNPACK, lowered again with every layer as an output"

    def __init__(self, bundle: Bundle, program: ComponentProgram) -> None:
        self._bundle, self._program = bundle, program

    @cached_property
    def _graphs(self) -> dict[str, tuple[XnnpackGraph, ...]]:
        return read_xnnpack_graphs(self._bundle.artefact("segment")[0])

    def convolutions(self, component: str) -> tuple[FoundConvolution, ...]:
        """See `ArtefactGraph`."""
        _, method = self._bundle.artefact(component)
        return tuple(
            _convolution(graph, kind, fields)
            for graph in self._graphs[method]
            for kind, fields in graph.nodes
            if kind in _CONVOLUTIONS
        )

    def additions(self, component: str) -> tuple[Range, ...]:
        """See `ArtefactGraph`."""
        _, method = self._bundle.artefact(component)
        found = []
        for graph in self._graphs[method]:
            for kind, fields in graph.nodes:
                if kind == _ADDITION:
                    *given, made = (_range(graph.values[fields[name]]) for name in _OPERANDS)
                    found += [made] if made is not None and None not in given else []
        return tuple(found)

    def values(
        self, component: str, inputs: tuple[Array, ...], layers: Mapping[str, FoundConvolution]
    ) -> dict[str, Array]:
        """See `ArtefactGraph`."""
        program, sites = self._program(component)
        nodes = _last_nodes(program, sites, layers)
        # Copied: see `BuildRequest.inputs`.
        given = tuple(torch.from_numpy(one).clone(memory_format=torch.contiguous_format) for one in inputs)
        outputs = run_lowered(with_own_conversions(_with_outputs(program, nodes.values())), given)
        return {layer: output.float().numpy() for layer, output in zip(nodes, outputs, strict=True)}


def _convolution(graph: XnnpackGraph, kind: str, fields: Mapping[str, Any]) -> FoundConvolution:
    weight = graph.values[fields["filter_id"]]
    given, made = (_range(graph.values[fields[name]]) for name in ("input1_id", "output_id"))
    integers = weight["datatype"] in _INTEGERS
    dtype = np.int8 if integers else _FLOATS[weight["datatype"]]
    kernel = np.frombuffer(graph.constants[weight["constant_buffer_idx"]], dtype)[: np.prod(weight["dims"])]
    kernel = kernel.reshape(weight["dims"]).astype(np.float32)  # [Cout, KH, KW, Cin], depthwise [1, KH, KW, Cout]
    kernel = kernel.transpose(3, 0, 1, 2) if kind == "XNNDepthwiseConv2d" else kernel.transpose(0, 3, 1, 2)
    stored = Arithmetic.FP16 if dtype is np.float16 else Arithmetic.FP32
    if not integers:
        return FoundConvolution(str(fields["output_id"]), kernel, stored, stored.value)
    scales = np.broadcast_to(_scales(graph, weight["quant_params"]), len(kernel))
    arithmetic = Arithmetic.INT8 if given is not None and made is not None else Arithmetic.FP32
    kernel = kernel * scales.reshape(-1, 1, 1, 1)
    return FoundConvolution(str(fields["output_id"]), kernel, arithmetic, "int8", scales, given, made)


def _scales(graph: XnnpackGraph, parameters: Mapping[str, Any]) -> Array:
    """A kernel's, from the graph or from among its constants."""
    if parameters.get("scale_buffer_idx", -1) > 0:
        return np.frombuffer(graph.constants[parameters["scale_buffer_idx"]], np.float32)
    return np.asarray(parameters["scale"], np.float32).reshape(-1)


def _range(value: Mapping[str, Any]) -> Range | None:
    if value["datatype"] not in ("xnn_datatype_qint8", "xnn_datatype_quint8"):
        return None
    held = value["quant_params"]
    return signed(held["scale"], held["zero_point"], unsigned=value["datatype"].endswith("quint8"))


def _last_nodes(program: fx.GraphModule, sites: Mapping[str, str], layers: Iterable[str]) -> dict[str, fx.Node]:
    """The node that makes what a layer hands on, by layer: a conversion back from 8 bits where it is rounded."""
    wanted, found = set(layers), dict[str, fx.Node]()
    for node in program.graph.nodes:
        converted = operator_of(node) == "dequantize_per_tensor"
        layer = sites.get(rounded_node(node).name if converted else node.name)
        if layer in wanted and node.op == "call_function":
            found[str(layer)] = node
    return found


def _with_outputs(program: fx.GraphModule, nodes: Iterable[fx.Node]) -> fx.GraphModule:
    """A program that returns what some of its nodes make."""
    graph, copies = fx.Graph(), dict[fx.Node, fx.Node]()
    for node in program.graph.nodes:
        if node.op not in ("output", "call_module"):  # the latter: the exporter's check of its own inputs
            copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(tuple(copies[node] for node in nodes))
    graph.eliminate_dead_code()
    return fx.GraphModule(program, graph).eval()
