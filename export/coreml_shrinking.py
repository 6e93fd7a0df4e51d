"""Making a Core ML program small: its text, and what its weight file holds of zeros.

Core ML Tools writes every constant as an operation of its own, equal ones again and again, and every name up to three
times. In fp32 that is little beside the weights; in int8, where each convolution has a quantize and a dequantize
around it, it was a quarter of the decoder's package. Nothing here changes what is computed.

Only a Mac could show that Apple's compiler takes a package, so what is done is what the format's description says, in
the forms that shipped programs have: operations without a name and small arguments in place are what browsers give
Core ML for WebNN, constants keep their names, and one constant for several operations is ordinary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mobilevos.engines.mil.toolkit import import_coremltools

__all__ = ["shrink_program"]

_USES_IN_PLACE = 5
"""A constant takes about 80 bytes and 7 for each use, or some 22 for each use where it stands in place of a name."""

_BLOBS = {
    "FLOAT16": "fp16",
    "FLOAT32": "float",
    "INT8": "int8",
    "UINT8": "uint8",
    "INT16": "int16",
    "UINT16": "uint16",
    "INT32": "int32",
    "UINT32": "uint32",
}
"""Types of what a weight file holds: the format's names and those of Core ML Tools' reader and writer of it."""


def shrink_program(model: Any, weights: Path) -> None:
    """Says the same in fewer bytes; names of inputs, states and outputs stay.

    Args:
        model: `coremltools.proto.Model_pb2.Model` of an ML program without control flow, as Core ML Tools wrote it.
            Changed in place.
        weights: Its weight file, which is written anew.
    """
    blocks = [
        (function, function.block_specializations[function.opset])
        for _, function in sorted(model.mlProgram.functions.items())
    ]
    if weights.is_file():
        reader = import_coremltools().libmilstoragepython._BlobStorageReader(str(weights))
        for _, block in blocks:
            for operation in block.operations:
                if operation.type == "constexpr_affine_dequantize":
                    _make_scalar(operation.attributes["zero_point"], reader)
        del reader  # it holds the file open
        _rewrite_weights([value for _, block in blocks for value in _stored(block)], weights)
    for function, block in blocks:
        _merge_constants(block)
        _shorten_names(block, {one.name for one in function.inputs} | set(block.outputs))


def _make_scalar(zero_point: Any, reader: Any) -> None:
    """One zero for a vector of zeros, which the operator takes as well; kernels are symmetric."""
    if zero_point.WhichOneof("value") == "blobFileValue" and not _read(zero_point, reader).any():
        zero_point.type.tensorType.rank = 0
        zero_point.type.tensorType.ClearField("dimensions")
        zero_point.immediateValue.tensor.bytes.values = b"\0"  # which also takes the place of the file's


def _merge_constants(block: Any) -> None:
    """Leaves one constant of each value, and puts in place of its name what is used only a few times.

    In the weight file equal values must already lie in one place.
    """
    values = {one.outputs[0].name: one.attributes["val"] for one in block.operations if one.type == "const"}
    keys = {name: value.SerializeToString(deterministic=True) for name, value in values.items()}
    uses = Counter(keys[binding.name] for binding in _bindings(block) if binding.name in keys)
    first: dict[bytes, str] = {}
    for name, key in keys.items():
        first.setdefault(key, name)
    in_place = {key for key, name in first.items() if uses[key] <= _USES_IN_PLACE and _may_be_in_place(values[name])}
    for binding in _bindings(block):
        if key := keys.get(binding.name):
            if key in in_place:
                binding.value.CopyFrom(values[binding.name])
            else:
                binding.name = first[key]
    kept = {name for key, name in first.items() if key not in in_place}
    _keep(block, lambda one: one.type != "const" or one.outputs[0].name in kept)


def _may_be_in_place(value: Any) -> bool:
    """Whether a constant is an argument such as an axis or one scale; vectors of numbers to compute with stay."""
    if value.WhichOneof("value") != "immediateValue":
        return False
    kind = value.immediateValue.tensor.WhichOneof("value")
    return value.type.tensorType.rank == 0 or kind in ("ints", "bools", "strings")


def _shorten_names(block: Any, kept: set[str]) -> None:
    """Names tensors `t` and constants `c`, with a number; of the operators' own names, constants' alone stay."""
    names: dict[str, str] = {}
    numbers: Counter[str] = Counter()
    for operation in block.operations:
        kind = "c" if operation.type == "const" else "t"
        for output in operation.outputs:
            if output.name not in kept:
                names[output.name] = f"{kind}{numbers[kind]}"
                numbers[kind] += 1
                output.name = names[output.name]
        if operation.type == "const":
            operation.attributes["name"].immediateValue.tensor.strings.values[0] = operation.outputs[0].name
        elif not operation.type.endswith("_state"):  # which have no output that would tell them apart
            operation.attributes.pop("name", None)
    for binding in _bindings(block):
        if binding.name in names:
            binding.name = names[binding.name]


def _rewrite_weights(values: list[Any], weights: Path) -> None:
    """Writes the weight file with what is still used, and equal blobs once."""
    storage = import_coremltools().libmilstoragepython
    reader = storage._BlobStorageReader(str(weights))
    new = weights.with_suffix(".new")
    writer = storage._BlobStorageWriter(str(new))
    offsets: dict[tuple[str, bytes], int] = {}
    for value in values:
        kind, array = _kind(value), _read(value, reader)
        key = (kind, array.tobytes())
        if key not in offsets:
            offsets[key] = getattr(writer, f"write_{kind}_data")(array)
        value.blobFileValue.offset = offsets[key]
    del reader, writer  # they close their files
    new.replace(weights)


def _kind(value: Any) -> str:
    return _BLOBS[import_coremltools().proto.MIL_pb2.DataType.Name(value.type.tensorType.dataType)]


def _read(value: Any, reader: Any) -> Any:
    return getattr(reader, f"read_{_kind(value)}_data")(value.blobFileValue.offset)


def _bindings(block: Any) -> Iterator[Any]:
    for operation in block.operations:
        for argument in operation.inputs.values():
            yield from argument.arguments


def _stored(block: Any) -> Iterator[Any]:
    """Values that lie in the weight file, in an order that is the same for the same program."""
    for operation in block.operations:
        values = [value for _, value in sorted(operation.attributes.items())]
        for _, argument in sorted(operation.inputs.items()):
            values += [one.value for one in argument.arguments if one.WhichOneof("binding") == "value"]
        yield from (value for value in values if value.WhichOneof("value") == "blobFileValue")


def _keep(block: Any, wanted: Any) -> None:
    """Drops operations, in one pass: a repeated field moves all that follows for each one deleted."""
    copies = type(block)()
    copies.operations.extend(one for one in block.operations if wanted(one))
    del block.operations[:]
    block.operations.extend(copies.operations)
