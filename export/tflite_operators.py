"""The operators of a `.tflite` as plain data: what they take and give, in which type and on which grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.tflite_model import operator_kind, parse_model, signature_graphs, tensor_values

__all__ = ["StoredOperator", "StoredTensor", "read_operators"]


@dataclass(frozen=True)
class StoredTensor:
    """A tensor.

    Attributes:
        name: In the file.
        dtype: As TFLite calls it, e.g. `INT8`.
        scale: Float32, of each channel or of the whole; of no length if it is in float.
        zero_point: As many.
        values: Of a constant; None for what is computed.
    """

    name: str
    dtype: str
    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    values: NDArray[Any] | None


@dataclass(frozen=True)
class StoredOperator:
    """An operator.

    Attributes:
        kind: As TFLite calls it, e.g. `CONV_2D`.
        inputs: All that it takes, constants among them.
        output: What it gives; of several, the first.
    """

    kind: str
    inputs: tuple[StoredTensor, ...]
    output: StoredTensor

    @property
    def activations(self) -> tuple[StoredTensor, ...]:
        """What it takes that is computed."""
        return tuple(tensor for tensor in self.inputs if tensor.values is None)

    @property
    def integer(self) -> bool:
        """Whether what it takes and gives is int8, constants apart."""
        return all(tensor.dtype == "INT8" for tensor in (*self.activations, self.output))


def read_operators(model: bytes) -> dict[str, list[StoredOperator]]:
    """The operators of every signature of a model, in their order.

    Args:
        model: A `.tflite` that this project made; a stranger's is not to be parsed here.
    """
    parsed = parse_model(model)
    found = {}
    for name, (graph, _) in signature_graphs(parsed).items():
        tensors = [_stored(parsed, tensor) for tensor in graph.tensors]
        found[name] = [
            StoredOperator(
                operator_kind(parsed, one),
                tuple(tensors[index] for index in one.inputs if index != -1),
                tensors[one.outputs[0]],
            )
            for one in graph.operators
        ]
    return found


def _stored(parsed: Any, tensor: Any) -> StoredTensor:
    from ai_edge_litert.tools.flatbuffer_utils import type_to_name

    grid = tensor.quantization
    in_float = grid is None or grid.scale is None
    return StoredTensor(
        tensor.name.decode(),
        str(type_to_name(tensor.type)),
        np.asarray([] if in_float else grid.scale, np.float32),
        np.asarray([] if in_float else grid.zeroPoint, np.int64),
        tensor_values(parsed, tensor),
    )
