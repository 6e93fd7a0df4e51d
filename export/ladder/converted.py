"""The converted graph as a trace, whatever runs it."""

from __future__ import annotations

from importlib import import_module

from export.ladder.trace import Trace
from mobilevos.bundle import Bundle
from mobilevos.engines.engine import Array

__all__ = ["TRACEABLE", "trace_converted"]

TRACEABLE = ("coreml", "onnx", "tflite", "torchscript")
"""Targets whose runtime lets every tensor of a graph be seen, each by `trace` of `export.ladder.<target>_graph`."""


def trace_converted(bundle: Bundle, component: str, inputs: tuple[Array, ...]) -> Trace:
    """Runs a component of a bundle operator by operator.

    Args:
        bundle: Of a target of `TRACEABLE`, whose engine has opened it: it holds what the contract says.
        component: Of the contract.
        inputs: In the contract's order and layout, float32.

    Returns:
        Its steps, with the outputs in the contract's order and the artefact's own layout.
    """
    made: Trace = import_module(f"export.ladder.{bundle.target}_graph").trace(bundle, component, inputs)
    return made
