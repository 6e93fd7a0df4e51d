"""Bundles with one wrong weight in the saved artefact, as a wrong converter would have written it."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.ladder.converted import TRACEABLE
from export.targets import TARGETS


@dataclass(frozen=True)
class Fault:
    """What was changed.

    Attributes:
        bundle: The folder of the changed bundle, whose manifest does not know.
        operator: That takes the changed weight, in the format's words.
        tensor: What that operator makes, as the trace calls it.
    """

    bundle: Path
    operator: str
    tensor: str


def _marked(name: str) -> Any:
    extra = TARGETS[name].extra
    return pytest.param(name, marks=[getattr(pytest.mark, extra)] if extra else [])


@pytest.fixture(scope="session", params=[_marked(name) for name in TRACEABLE])
def traceable(request: pytest.FixtureRequest) -> str:
    """Each target whose graphs can be traced, in turn."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def fault(traceable: str, bundle_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Fault:
    """A bundle of the target, one convolution of whose decoder has a wrong weight."""
    folder = tmp_path_factory.mktemp("faults") / traceable
    shutil.copytree(bundle_of(traceable), folder)
    return Fault(folder, *_CHANGES[traceable](folder))


_PLACE = 4
"""Which of the decoder's convolutions is changed."""


def _onnx(folder: Path) -> tuple[str, str]:
    import onnx

    path = folder / "decode.onnx"
    model = onnx.load(path)
    node = [one for one in model.graph.node if one.op_type == "Conv"][_PLACE]
    weight = next(one for one in model.graph.initializer if one.name == node.input[1])
    weight.raw_data = _changed(weight.raw_data)
    path.write_bytes(model.SerializeToString())
    return "Conv", node.output[0]


def _torchscript(folder: Path) -> tuple[str, str]:
    import torch

    path = folder / "decode.pt"
    module = torch.jit.load(path)  # type: ignore[no-untyped-call]
    nodes = [one for one in module.inlined_graph.nodes() if one.kind() in ("aten::_convolution", "aten::conv2d")]
    weight = list(nodes[_PLACE].inputs())[1].toIValue()
    weight[0] *= 1.5
    torch.jit.save(module, path)  # type: ignore[no-untyped-call]
    return nodes[_PLACE].kind(), nodes[_PLACE].output().debugName()


def _tflite(folder: Path) -> tuple[str, str]:
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    path = folder / "mobilevos.tflite"
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(path.read_bytes()))
    signature = next(one for one in model.signatureDefs if one.signatureKey == b"decode")
    graph = model.subgraphs[signature.subgraphIndex]
    codes = [flatbuffer_utils.get_builtin_code_from_operator_code(one) for one in model.operatorCodes]
    layers = [one for one in graph.operators if codes[one.opcodeIndex] == schema.BuiltinOperator.CONV_2D]
    buffer = model.buffers[graph.tensors[layers[_PLACE].inputs[1]].buffer]
    buffer.data = np.frombuffer(_changed(bytes(buffer.data)), np.uint8)
    path.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))
    return "CONV_2D", f"tensor {layers[_PLACE].outputs[0]}"


def _coreml(folder: Path) -> tuple[str, str]:
    from mobilevos.engines.mil.package import read_package

    package = read_package(folder / "decode.mlpackage")
    function = package.model.mlProgram.functions["main"]
    operations = function.block_specializations[function.opset].operations
    convolution = [one for one in operations if one.type == "conv"][_PLACE]
    name = convolution.inputs["weight"].arguments[0].name
    constant = next(one for one in operations if one.outputs[0].name == name)
    blob: Any = constant.attributes["val"].blobFileValue
    path = package.weights / Path(blob.fileName).name
    content = bytearray(path.read_bytes())
    _, _, size, start = struct.unpack_from("<IIQQ", content, blob.offset)  # of the record's header
    content[start : start + size] = _changed(bytes(content[start : start + size]))
    path.write_bytes(content)
    return "conv", convolution.outputs[0].name


def _changed(weight: bytes) -> bytes:
    """Float32 values with the first tenth of them half as large again."""
    values = np.frombuffer(weight, np.float32).copy()
    values[: max(1, len(values) // 10)] *= 1.5
    return values.tobytes()


_CHANGES = {"coreml": _coreml, "onnx": _onnx, "tflite": _tflite, "torchscript": _torchscript}
