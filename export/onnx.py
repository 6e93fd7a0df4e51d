"""`python -m export.onnx`: one `.onnx` per component, for any number of objects in a call."""

from __future__ import annotations

import logging
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from export.half_precision import in_precision
from export.operators import OperatorReport
from export.targets import Advance, BuildRequest, ComponentArtefact, NoOptions
from mobilevos.contract import Dimensions, signature
from mobilevos.errors import InputError
from mobilevos.model.components import example_inputs

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["FREE_DIMENSION", "OPSET", "Options", "build", "capture", "write_component"]

OPSET = 18
"""What PyTorch's exporter writes without converting; ONNX Runtime takes it since 1.14."""

FREE_DIMENSION = "objects"
"""Name of the one dimension that is not fixed."""

_PLUMBING = frozenset({"Constant", "Identity", "Reshape", "Shape", "Squeeze", "Unsqueeze", "Flatten"})

Options = NoOptions


def build(request: BuildRequest[NoOptions], folder: Path, advance: Advance) -> dict[str, ComponentArtefact]:
    """See `export.targets.TargetModule`. Each file holds its own weights."""
    artefacts = {}
    for name, module in in_precision(request.components, request.precision).items():
        advance(f"exporting {name}")
        artefacts[name] = write_component(name, module, request.dimensions, folder)
    return artefacts


def write_component(component: str, module: nn.Module, dimensions: Dimensions, folder: Path) -> ComponentArtefact:
    """Writes a component as `<component>.onnx`, for any number of objects.

    Args:
        component: Of the contract.
        module: What computes it.
        dimensions: Fix every other shape.
        folder: The bundle to be.

    Raises:
        InputError: The file fails ONNX's checker.
    """
    path = folder / f"{component}.onnx"
    model = _export(component, module, dimensions)
    path.write_bytes(model.SerializeToString(deterministic=True))
    _check(path)
    return ComponentArtefact(
        path=path.name,
        method=component,
        size_bytes=path.stat().st_size,
        operators=_operators(model),
        dynamic_objects=True,
        details={"opset": OPSET, "operators": dict(Counter(node.op_type for node in model.graph.node))},
    )


def _export(component: str, module: nn.Module, dimensions: Dimensions) -> ModelProto:
    tensors = signature(component, dimensions)
    with _quiet():
        program = torch.onnx.export(
            capture(component, module, dimensions),
            dynamo=True,
            opset_version=OPSET,
            input_names=[spec.name for spec in tensors.inputs],
            output_names=[spec.name for spec in tensors.outputs],
            external_data=False,
            verbose=False,
        )
    assert program is not None
    return _plain(program.model_proto)


def capture(component: str, module: nn.Module, dimensions: Dimensions) -> torch.export.ExportedProgram:
    """A component's graph, in which the number of objects is free.

    Args:
        component: Of the contract.
        module: What computes it.
        dimensions: Fix every other shape.
    """
    two = replace(dimensions, objects=2)  # torch.export takes a dimension of size 1 for a constant
    inputs = example_inputs(component, two, torch.Generator().manual_seed(0))
    more = signature(component, replace(two, objects=3))
    objects = torch.export.Dim(FREE_DIMENSION, min=1)
    shapes: Any = torch.export.ShapesCollection()  # type: ignore[no-untyped-call]
    for tensor, spec in zip(inputs, more.inputs, strict=True):
        if tensor.shape != spec.shape:
            shapes[tensor] = {0: objects}
    return torch.export.export(module, inputs, dynamic_shapes=shapes)


def _plain(model: ModelProto) -> ModelProto:
    """Drops what the exporter notes for its own developers, source lines and paths of this machine among it.

    Types of inner tensors go too: every runtime infers them.
    """
    del model.metadata_props[:], model.graph.metadata_props[:], model.graph.value_info[:]
    for one in (*model.graph.node, *model.graph.input, *model.graph.output):
        del one.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param:  # the one free dimension, for which the exporter makes up a symbol
                dimension.dim_param = FREE_DIMENSION
    return model


def _check(path: Path) -> None:
    import onnx

    try:
        onnx.checker.check_model(path, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise InputError(f"ONNX: {path.name} fails the checker", found=str(error)[:200]) from error


def _operators(model: ModelProto) -> OperatorReport:
    """ONNX Runtime's CPU provider takes every operator of the opset, so nothing is left beside it."""
    plumbing = sum(node.op_type in _PLUMBING for node in model.graph.node)
    return OperatorReport(len(model.graph.node) - plumbing, 1, plumbing, ())


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter's remarks on its own dependencies, which the user can do nothing about."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


if __name__ == "__main__":
    from export.command import main

    sys.exit(main("onnx"))
