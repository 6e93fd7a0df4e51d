"""XNNPACK's graphs out of a `.pte`: what the delegate is handed, in the words of its own schema.

They are flatbuffers, which the flatc of the ExecuTorch wheel turns into JSON by the schema that lies beside it, with
six decimals of a number.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobilevos.errors import InputError

__all__ = ["XnnpackGraph", "read_xnnpack_graphs"]

_DELEGATE = "XnnpackBackend"
_NOT_JSON = re.compile(rb"(?<=[:\s\[,])(-?)inf\b")
"""How flatc writes infinity, a clamp's open end."""


@dataclass(frozen=True, eq=False)
class XnnpackGraph:
    """One call of the delegate.

    Attributes:
        nodes: Type and fields of each, in the order of execution, e.g. `("XNNConv2d", {"input1_id": 5, ...})`.
        values: Tensors by id: `datatype`, `dims`, `constant_buffer_idx`, and `quant_params` of a quantized one.
        constants: Bytes by `constant_buffer_idx`.
    """

    nodes: tuple[tuple[str, Mapping[str, Any]], ...]
    values: Mapping[int, Mapping[str, Any]]
    constants: Mapping[int, bytes]


def read_xnnpack_graphs(path: Path) -> dict[str, tuple[XnnpackGraph, ...]]:
    """Every call of the delegate in every method of a program, by the method's name.

    Args:
        path: Of a `.pte`.

    Raises:
        InputError: The file is none, or a method was lowered to another delegate.
    """
    from executorch.exir._serialize._program import deserialize_pte_binary

    try:
        file = deserialize_pte_binary(path.read_bytes())
    except Exception as error:  # its parser raises what its own statements happen to raise
        raise InputError(f"{path} cannot be read", found=f"{type(error).__name__}: {str(error)[:150]}") from error
    named = _named_data(file)
    graphs: dict[str, tuple[XnnpackGraph, ...]] = {}
    for plan in file.program.execution_plan:
        blobs = []
        for delegate in plan.delegates:
            if delegate.id != _DELEGATE:
                raise InputError(f"{path} was lowered to {delegate.id}", expected="XNNPACK, whose graphs can be read")
            blobs.append(bytes(file.program.backend_delegate_data[delegate.processed.index].data))
        graphs[plan.name] = tuple(_parse(blob, named) for blob in blobs)
    return graphs


def _named_data(file: Any) -> dict[str, bytes]:
    """Weights, which lie beside the graphs so that methods can share them."""
    if file.named_data is None:
        return {}
    buffers = file.named_data.buffers
    return {key: bytes(buffers[entry.buffer_index]) for key, entry in file.named_data.pte_data.items()}


def _parse(blob: bytes, named: Mapping[str, bytes]) -> XnnpackGraph:
    from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import XNNHeader

    header = XNNHeader.from_bytes(blob[: XNNHeader.EXPECTED_LENGTH])
    start = header.flatbuffer_offset
    graph = _to_json(blob[start : start + header.flatbuffer_size])
    values = {}
    for entry in graph["xvalues"]:
        union = entry["xvalue_union"]
        tensor = union.get("tensor_value", union)
        values[tensor["id_out"]] = tensor | {"quant_params": union.get("quant_params")}
    constants = {}
    for index, entry in enumerate(graph["constant_data"]):
        if entry["named_key"]:
            constants[index] = named[entry["named_key"]]
        else:
            place = header.constant_data_offset + entry["offset"]
            constants[index] = blob[place : place + entry["size"]]
    nodes = tuple((node["xnode_union_type"], node["xnode_union"]) for node in graph["xnodes"])
    return XnnpackGraph(nodes, values, constants)


def _to_json(flatbuffer: bytes) -> Any:
    from executorch.backends.xnnpack import serialization
    from executorch.exir._serialize._flatbuffer import _flatc_decompile

    schema = Path(next(iter(serialization.__path__))) / "schema.fbs"
    with tempfile.TemporaryDirectory() as scratch:
        binary = Path(scratch) / "graph.bin"
        binary.write_bytes(flatbuffer)
        _flatc_decompile(scratch, str(schema), str(binary), ["--raw-binary"])
        return json.loads(_NOT_JSON.sub(rb"\1Infinity", binary.with_suffix(".json").read_bytes()))
