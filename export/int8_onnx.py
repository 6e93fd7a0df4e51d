"""Int8 for ONNX: files in which every quantized tensor lies between a QuantizeLinear and a DequantizeLinear.

A runtime computes what it finds between such pairs in integers. Kernels are stored in int8, with a scale for each
channel; biases in float32, which ONNX Runtime turns into int32 itself.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from export.onnx import capture, write_component
from export.targets import Advance, BuildRequest, ComponentArtefact, NoOptions
from mobilevos.engines.onnx import session_options
from mobilevos.quantization.program import QuantizedNetwork, quantize_graph

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["build_int8", "runtime_graph", "runtime_operators"]


def build_int8(
    request: BuildRequest[NoOptions], quantized: QuantizedNetwork, folder: Path, advance: Advance
) -> dict[str, ComponentArtefact]:
    """Writes one `.onnx` per component, for any number of objects; see `export.targets.TargetModule.build`.

    The quantized programs are for the request's number of objects, so components are captured anew with that number
    free, and quantized with the same specification and ranges.

    Args:
        request: What to build.
        quantized: Of the same components.
        folder: The bundle to be.
        advance: Called once for each component.

    Raises:
        InputError: A layer has no range, or a file fails ONNX's checker.
    """
    artefacts = {}
    for name in quantized.programs:
        advance(f"exporting {name}")
        artefact = write_component(name, _quantized(request, quantized, name), request.dimensions, folder)
        artefacts[name] = replace(artefact, details=artefact.details | _details(folder / artefact.path))
    return artefacts


def _quantized(request: BuildRequest[NoOptions], quantized: QuantizedNetwork, component: str) -> torch.fx.GraphModule:
    """A component's quantized graph, in which the number of objects is free."""
    graph = capture(component, request.components[component], request.dimensions).module(check_guards=False)
    assert isinstance(graph, torch.fx.GraphModule)
    return quantize_graph(graph, quantized.specification, quantized.ranges, quantized.sites[component])


def runtime_operators(path: Path) -> Counter[str]:
    """How often each operator occurs in `runtime_graph`."""
    return Counter(node.op_type for node in runtime_graph(path).graph.node)


def runtime_graph(path: Path, *, layouts: bool = True) -> ModelProto:
    """What ONNX Runtime makes of a file: the graph that it executes here.

    Args:
        path: Of an `.onnx`.
        layouts: Also lay kernels and activations of float convolutions out in blocks, as wide as this processor's
            vectors are. Without it each operator is the same, and its numbers lie as in the file.
    """
    import onnx
    import onnxruntime

    with tempfile.TemporaryDirectory() as scratch:
        optimised = Path(scratch) / path.name
        options = session_options(threads=1)
        if not layouts:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(optimised)
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return onnx.load(optimised)


def _details(path: Path) -> dict[str, Any]:
    executed = runtime_operators(path)
    integer = executed["QLinearConv"]
    return {
        "weights": "int8, symmetric per channel",
        "activations": "int8, per tensor",
        "convolutions": integer + executed["Conv"] + executed["FusedConv"],
        "integer_convolutions": integer,
        "runtime_operators": dict(executed),
    }
