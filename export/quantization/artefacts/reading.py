"""Opening a bundle's graphs, whatever its format."""

from __future__ import annotations

from export.quantization.artefacts.executorch_graph import ComponentProgram, ExecutorchGraph
from export.quantization.artefacts.found import ArtefactGraph
from mobilevos.bundle import Bundle
from mobilevos.errors import InputError

__all__ = ["READABLE", "open_graph"]

READABLE = ("executorch", "tflite", "onnx", "coreml")
"""Targets whose convolutions can be read."""


def open_graph(bundle: Bundle, program: ComponentProgram) -> ArtefactGraph:
    """The graphs of a bundle.

    Args:
        bundle: Made here: toolkits parse it in this process.
        program: See `ExecutorchGraph`.

    Raises:
        InputError: The target keeps no graph that can be read.
    """
    if bundle.target == "executorch":
        return ExecutorchGraph(bundle, program)
    if bundle.target == "onnx":
        from export.quantization.artefacts.onnx_graph import OnnxGraph

        return OnnxGraph(bundle)
    if bundle.target == "tflite":
        from export.quantization.artefacts.tflite_graph import TfliteGraph

        return TfliteGraph(bundle)
    if bundle.target == "coreml":
        from export.quantization.artefacts.coreml_graph import CoremlGraph

        return CoremlGraph(bundle)
    raise InputError(
        f"{bundle.folder}: nothing is quantized in {bundle.target}", expected=f"one of {', '.join(READABLE)}"
    )
