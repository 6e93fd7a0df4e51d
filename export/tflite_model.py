"""Edits of a finished `.tflite`: pure functions from bytes to bytes.

They parse the file with the schema's generated reader, which trusts its input: for models that were just converted,
not for a stranger's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobilevos.engines.native_stderr import capture_native_stderr

__all__ = [
    "operator_kind",
    "parse_model",
    "serialize_model",
    "signature_graphs",
    "signature_names",
    "single_signature",
    "tensor_values",
    "with_delegable_products",
    "with_half_weights",
]

_DATA_ALIGNMENT = 16
"""Bytes, of the data of a tensor in the file."""


def signature_names(model: bytes) -> list[str]:
    """Names of a model's signatures, in its order."""
    return [_text(signature.signatureKey) for signature in parse_model(model).signatureDefs or []]


def signature_graphs(parsed: Any) -> dict[str, tuple[Any, dict[str, int]]]:
    """The graph of each signature of a parsed model, and the index of each of its input tensors, by name."""
    return {
        _text(one.signatureKey): (
            parsed.subgraphs[one.subgraphIndex],
            {_text(tensor.name): tensor.tensorIndex for tensor in one.inputs},
        )
        for one in parsed.signatureDefs or []
    }


def single_signature(model: bytes, name: str) -> bytes:
    """A model of one signature of another: its graph, and the weights that it uses.

    Raises:
        KeyError: There is no such signature.
    """
    parsed = parse_model(model)
    kept = [signature for signature in parsed.signatureDefs or [] if _text(signature.signatureKey) == name]
    if not kept:
        raise KeyError(name)
    graph = parsed.subgraphs[kept[0].subgraphIndex]
    kept[0].subgraphIndex = 0
    parsed.signatureDefs, parsed.subgraphs = kept, [graph]
    parsed.metadata, parsed.metadataBuffer = [], []
    # Buffer 0 is by convention the empty one, of every tensor without data.
    used = [0, *sorted({tensor.buffer for tensor in graph.tensors} - {0})]
    renumbered = {old: new for new, old in enumerate(used)}
    for tensor in graph.tensors:
        tensor.buffer = renumbered[tensor.buffer]
    parsed.buffers = [parsed.buffers[index] for index in used]
    return serialize_model(parsed)


def with_delegable_products(model: bytes) -> bytes:
    """The same model with each fully connected layer whose weights are an activation as a batched matrix product.

    The converter makes every product of two matrices `x @ y.T` a fully connected layer. Where `y` is no constant, as
    the memory keys are not, XNNPACK's delegate refuses that layer, and takes the same product as `BATCH_MATMUL`.
    """
    from ai_edge_litert import schema_py_generated as schema

    parsed = parse_model(model)
    for graph in parsed.subgraphs:
        for operator in graph.operators:
            if _is_dynamic_product(parsed, graph, operator):
                operator.opcodeIndex = _operator_code(parsed, schema.BuiltinOperator.BATCH_MATMUL)
                operator.inputs = list(operator.inputs[:2])
                operator.builtinOptionsType = schema.BuiltinOptions.BatchMatMulOptions
                operator.builtinOptions = schema.BatchMatMulOptionsT(adjX=False, adjY=True)
    return serialize_model(parsed)


def _is_dynamic_product(model: Any, graph: Any, operator: Any) -> bool:
    """Whether it is a fully connected layer that computes `x @ y.T` of two activations and nothing more."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools.flatbuffer_utils import get_builtin_code_from_operator_code

    code = get_builtin_code_from_operator_code(model.operatorCodes[operator.opcodeIndex])
    if code != schema.BuiltinOperator.FULLY_CONNECTED:
        return False
    inputs, weights, *biases = operator.inputs
    shape, result = (graph.tensors[index].shape for index in (inputs, operator.outputs[0]))
    return (
        model.buffers[graph.tensors[weights].buffer].data is None
        and all(bias == -1 for bias in biases)
        and operator.builtinOptions.fusedActivationFunction == schema.ActivationFunctionType.NONE
        and len(shape) == len(result)
        and shape[-1] == graph.tensors[weights].shape[-1]
    )


def _operator_code(model: Any, builtin: int) -> int:
    """Index of a built-in operator in a model's table, to which it is added if need be."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools.flatbuffer_utils import get_builtin_code_from_operator_code

    codes = [get_builtin_code_from_operator_code(code) for code in model.operatorCodes]
    if builtin not in codes:
        # The older field holds what fits a byte, the newer one all.
        model.operatorCodes.append(
            schema.OperatorCodeT(deprecatedBuiltinCode=min(builtin, 127), builtinCode=builtin, version=1)
        )
        codes.append(builtin)
    return codes.index(builtin)


def with_half_weights(model: bytes) -> bytes:
    """The same model with the weights of its convolutions and fully connected layers stored as float16.

    A `DEQUANTIZE` before each layer makes them float32 again, which XNNPACK does once, when the model is loaded.
    Activations, biases and arithmetic stay float32. Weights that signatures share stay shared.
    """
    from ai_edge_quantizer.algorithm_manager import AlgorithmName
    from ai_edge_quantizer.qtyping import TFLOperationName
    from ai_edge_quantizer.quantizer import Quantizer

    quantizer = Quantizer(model)
    for operation in (TFLOperationName.CONV_2D, TFLOperationName.DEPTHWISE_CONV_2D, TFLOperationName.FULLY_CONNECTED):
        quantizer.add_weight_only_config(
            regex=".*", operation_name=operation, num_bits=16, algorithm_key=AlgorithmName.FLOAT_CASTING
        )
    with capture_native_stderr():  # a line for each weight that is shared, and a bar that heeds no option
        cast = quantizer.quantize(enable_progress_bar=False, enable_progress_report=False).quantized_model
    return bytes(cast)


def operator_kind(parsed: Any, operator: Any) -> str:
    """TFLite's name of a parsed model's operator, e.g. `CONV_2D`."""
    from ai_edge_litert.tools.flatbuffer_utils import opcode_to_name

    return str(opcode_to_name(parsed, operator.opcodeIndex))


def tensor_values(parsed: Any, tensor: Any) -> NDArray[Any] | None:
    """The values of a parsed model's tensor; None if it is computed."""
    from ai_edge_litert.tools.flatbuffer_utils import type_to_name

    data = parsed.buffers[tensor.buffer].data
    if data is None:
        return None
    shape = () if tensor.shape is None else tuple(tensor.shape)
    return np.frombuffer(bytes(data), str(type_to_name(tensor.type)).lower()).reshape(shape)


def parse_model(model: bytes) -> Any:
    """A model as the objects of the schema, which can be changed."""
    from ai_edge_litert.tools.flatbuffer_utils import read_model_from_bytearray

    return read_model_from_bytearray(model)


def serialize_model(parsed: Any) -> bytes:
    """The file of a parsed model. Equal arrays are stored once, and data where the schema wants it aligned.

    Of an int8 model the first matters: the zero points of a kernel's channels, all 0, take twice the room of its scales
    and are the same for all kernels of as many channels.
    """
    import flatbuffers

    class Builder(flatbuffers.Builder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(1024)
            self._stored: dict[tuple[str, bytes], int] = {}

        def CreateNumpyVector(self, x: Any) -> int:  # noqa: N802, flatbuffers' name
            key = (x.dtype.str, x.tobytes())
            if key not in self._stored:
                if x.dtype == np.uint8:  # the data of a buffer; Python's builder does not heed the schema here
                    self.Prep(_DATA_ALIGNMENT, x.size)
                self._stored[key] = int(super().CreateNumpyVector(x))
            return self._stored[key]

    builder = Builder()
    builder.Finish(parsed.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
