"""What a finished `.tflite` holds, and where its operators land when XNNPACK's delegate is applied on this host.

Nothing is predicted from rules here: each signature is loaded and the runtime's nodes are counted. For the GPU
delegate, see `gpu_analyzer`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from export.operators import LeftOperator, OperatorReport
from export.tflite_model import signature_names, single_signature
from mobilevos.engines.native_stderr import capture_native_stderr

__all__ = ["SignatureAudit", "audit", "delegation_report"]

_DELEGATE = "DELEGATE"


@dataclass(frozen=True)
class SignatureAudit:
    """One signature of a model.

    Attributes:
        size_bytes: Of a model with this signature alone.
        operators: Number of operators by name.
        tensor_types: Number of tensors by type, constants among them.
        transposes: `TRANSPOSE` operators: they move data and compute nothing.
        delegation: Where the operators land with XNNPACK.
    """

    size_bytes: int
    operators: dict[str, int]
    tensor_types: dict[str, int]
    transposes: int
    delegation: OperatorReport


def audit(model: bytes) -> dict[str, SignatureAudit]:
    """Every signature of a model, by name.

    Args:
        model: A `.tflite` that this project made; a stranger's is not to be parsed here.
    """
    return {name: _audit_one(single_signature(model, name)) for name in signature_names(model)}


def _audit_one(model: bytes) -> SignatureAudit:
    from ai_edge_litert.tools import flatbuffer_utils

    parsed = flatbuffer_utils.read_model_from_bytearray(model)
    (graph,) = parsed.subgraphs
    operators = Counter(str(flatbuffer_utils.opcode_to_name(parsed, one.opcodeIndex)) for one in graph.operators)
    types = Counter(str(flatbuffer_utils.type_to_name(tensor.type)) for tensor in graph.tensors)
    return SignatureAudit(
        size_bytes=len(model),
        operators=dict(operators),
        tensor_types=dict(types),
        transposes=operators["TRANSPOSE"],
        delegation=delegation_report(model),
    )


def delegation_report(model: bytes) -> OperatorReport:
    """Where the operators of a model's first graph land when XNNPACK's delegate is applied on this host.

    The runtime lists the model's own nodes and, after them, one for each partition that the delegate took. What lies
    between such a node's inputs and outputs is in the delegate; the delegate itself gives no reasons for the rest.
    """
    from ai_edge_litert.interpreter import Interpreter

    with capture_native_stderr():  # a remark that the delegate was created
        interpreter = Interpreter(model_content=model, num_threads=1)
        interpreter.allocate_tensors()
    nodes = interpreter._get_ops_details()
    own = [node for node in nodes if node["op_name"] != _DELEGATE]
    partitions = [node for node in nodes if node["op_name"] == _DELEGATE]
    taken = set().union(*(_inside(partition, own) for partition in partitions))
    left = Counter(_described(node) for node in own if node["index"] not in taken)
    reason = "XNNPACK's delegate does not take it with operands of {}"
    return OperatorReport(
        delegated=len(taken),
        subgraphs=len(partitions),
        plumbing=0,
        left=tuple(LeftOperator(name, count, reason.format(types)) for (name, types), count in sorted(left.items())),
    )


def _inside(partition: Mapping[str, Any], nodes: Iterable[Mapping[str, Any]]) -> set[int]:
    """Indices of the nodes from which a partition's outputs are computed, back to its inputs."""
    makers = {tensor: node for node in nodes for tensor in node["outputs"]}
    inputs, inside = set(partition["inputs"]), set()
    pending = list(partition["outputs"])
    while pending:
        tensor = pending.pop()
        node = makers.get(tensor)
        if tensor in inputs or node is None or node["index"] in inside:
            continue
        inside.add(node["index"])
        pending.extend(node["inputs"])
    return inside


def _described(node: Mapping[str, Any]) -> tuple[str, str]:
    return node["op_name"], ", ".join(dict.fromkeys(one.__name__ for one in node["operand_types"]))
