"""A TFLite graph's operators and tensors with what is known of their integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.tflite_model import operator_kind, parse_model, tensor_values

__all__ = ["Operator", "TensorFacts", "TfliteModel", "read_graph"]


@dataclass(frozen=True)
class Operator:
    """One operator.

    Attributes:
        name: E.g. `CONV_2D`.
        inputs: Indices of tensors; -1 for an optional one left out.
        outputs: Indices of tensors.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class TensorFacts:
    """One tensor.

    Attributes:
        dtype: As TFLite calls it, e.g. `INT8`.
        scales: One, or one for each channel; empty for a tensor of real numbers.
        zero_points: As many.
        channel_axis: Dimension of the channels.
        data: A constant's, of its shape; None for what an operator makes.
    """

    dtype: str
    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    channel_axis: int
    data: NDArray[Any] | None


@dataclass(frozen=True)
class TfliteModel:
    """A graph, in the order of execution."""

    operators: tuple[Operator, ...]
    tensors: tuple[TensorFacts, ...]


def read_graph(model: bytes) -> TfliteModel:
    """The first graph of a model.

    Args:
        model: A `.tflite` that this project made; a stranger's is not to be parsed here.
    """
    parsed = parse_model(model)
    graph = parsed.subgraphs[0]
    operators = tuple(
        Operator(
            operator_kind(parsed, one),
            tuple(int(index) for index in one.inputs),
            tuple(int(index) for index in one.outputs),
        )
        for one in graph.operators
    )
    return TfliteModel(operators, tuple(_facts(parsed, one) for one in graph.tensors))


def _facts(parsed: Any, tensor: Any) -> TensorFacts:
    from ai_edge_litert.tools.flatbuffer_utils import type_to_name

    held = tensor.quantization
    scales = np.asarray([] if held is None or held.scale is None else held.scale, np.float32)
    zeros = np.asarray([] if held is None or held.zeroPoint is None else held.zeroPoint, np.int64)
    axis = 0 if held is None else int(held.quantizedDimension)
    dtype = str(type_to_name(tensor.type))
    return TensorFacts(
        dtype, scales, zeros if len(zeros) else np.zeros(len(scales), np.int64), axis, _values(parsed, tensor)
    )


def _values(parsed: Any, tensor: Any) -> NDArray[Any] | None:
    buffer = parsed.buffers[tensor.buffer].data
    return None if buffer is None or not len(buffer) else tensor_values(parsed, tensor)
