"""The contract between the network, its exports and every engine: components, inputs, outputs, shapes.

This is the one place that names them. The network is cut into stateless programs of fixed shape; the memory
bank is held by the caller, so a phone needs nothing but these arrays. All are float32 at the boundary, in
C order. `h = H/16`, `w = W/16`, `N = T * h * w` memory positions, `O` objects.

| component      | in                                       | out                                          |
|----------------|------------------------------------------|----------------------------------------------|
| encode_query   | image                                    | key, feature16, feature8, feature4           |
| encode_memory  | key, feature16, feature8, masks, others  | memory_key, memory_value                     |
| read_memory    | key, memory_keys, memory_values          | readout                                      |
| decode         | readout, feature16, feature8, feature4   | logits                                       |
| segment        | image, memory_keys, memory_values        | logits, key, feature16, feature8             |

`memory_key` is a bank row: `Ck` channels `2k/sqrt(Ck)` and one channel `-|k|^2/sqrt(Ck)`, so that the L2
affinity of STCN is one matrix product with the query `[key, 1]`. An empty row is zero but for that last
channel, which holds `EMPTY_BIAS`: finite in fp16, and nothing after the softmax.

A bundle may have one component more, where its runtime keeps tensors from one call to the next (Core ML's state):

| component        | in                                     | states                              | out          |
|------------------|----------------------------------------|-------------------------------------|--------------|
| segment_stateful | image, memory_key, memory_value, write | bank_keys, bank_values, bank_filled | as `segment` |

It holds the memory bank itself: the rows of one frame go into each slot whose `write` [T] is 1, where it is 0 the slot
stays as it is, and then the frame is segmented as by `segment`. So one function writes and reads, and whoever calls it
hands over the rows of a frame once, not the whole bank each time. A fresh state is all zeros, and that is an empty
bank: `bank_filled` [T] becomes 1 where a slot is written, and a slot that has 0 there is read as empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

__all__ = [
    "COMPONENTS",
    "EMPTY_BIAS",
    "OPTIONAL_COMPONENTS",
    "STATEFUL_STEP",
    "STRIDE",
    "Dimensions",
    "Signature",
    "TensorSpec",
    "signature",
    "signatures",
]

STRIDE = 16
"""Pixels per key position: frames are padded to a multiple of it."""

EMPTY_BIAS = -1e4
"""Affinity bias of an empty memory row; within fp16's range, and exp() of it is 0 in every precision."""

COMPONENTS = ("encode_query", "encode_memory", "read_memory", "decode", "segment")
"""The programs of a bundle. `segment` is `encode_query`, `read_memory` and `decode` fused."""

STATEFUL_STEP = "segment_stateful"
"""`segment` over a memory bank of its own."""

OPTIONAL_COMPONENTS = (STATEFUL_STEP,)
"""The programs that a bundle may have beside those."""


@dataclass(frozen=True)
class TensorSpec:
    """Name, shape and dtype of one input or output.

    Attributes:
        name: As in the table above.
        shape: Every dimension, fixed.
        layout: What the dimensions mean, e.g. `NCHW`.
        dtype: Always `float32` at the boundary unless a manifest says otherwise.
    """

    name: str
    shape: tuple[int, ...]
    layout: str
    dtype: str = "float32"

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return prod(self.shape) * {"float32": 4, "float16": 2, "int8": 1, "uint8": 1}[self.dtype]


@dataclass(frozen=True)
class Signature:
    """One component's inputs and outputs, in call order.

    Attributes:
        component: Its name.
        inputs: What it is given.
        outputs: What it gives.
        states: What it keeps from one call to the next; only of optional components.
    """

    component: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    states: tuple[TensorSpec, ...] = ()


@dataclass(frozen=True)
class Dimensions:
    """The sizes that fix every shape of the contract.

    Attributes:
        height: Rows of the padded frame, in pixels, a multiple of 16.
        width: Columns of the padded frame, in pixels, a multiple of 16.
        memory_frames: Frames that the memory bank holds (T).
        objects: Objects handled in one call (O).
        key_channels: Channels of a key (Ck).
        value_channels: Channels of a memory value (Cv).
        feature_channels: Channels of the trunk's features at strides 16, 8 and 4.
    """

    height: int
    width: int
    memory_frames: int
    objects: int
    key_channels: int
    value_channels: int
    feature_channels: tuple[int, int, int]

    @property
    def positions(self) -> int:
        """Key positions of one frame, h * w."""
        return (self.height // STRIDE) * (self.width // STRIDE)


def signatures(d: Dimensions) -> dict[str, Signature]:
    """The signature of every component of `COMPONENTS` for these dimensions."""
    return {name: signature(name, d) for name in COMPONENTS}


def signature(component: str, d: Dimensions) -> Signature:
    """The signature of one component of `COMPONENTS` or `OPTIONAL_COMPONENTS`."""
    h, w = d.height // STRIDE, d.width // STRIDE
    rows = d.memory_frames * d.positions
    c16, c8, c4 = d.feature_channels
    image = TensorSpec("image", (1, 3, d.height, d.width), "NCHW")
    key = TensorSpec("key", (1, d.key_channels, h, w), "NCHW")
    feature16 = TensorSpec("feature16", (1, c16, h, w), "NCHW")
    feature8 = TensorSpec("feature8", (1, c8, 2 * h, 2 * w), "NCHW")
    feature4 = TensorSpec("feature4", (1, c4, 4 * h, 4 * w), "NCHW")
    masks = TensorSpec("masks", (d.objects, 1, d.height, d.width), "NCHW")
    others = TensorSpec("others", (d.objects, 1, d.height, d.width), "NCHW")
    memory_key = TensorSpec("memory_key", (d.positions, d.key_channels + 1), "NC")
    memory_value = TensorSpec("memory_value", (d.objects, d.positions, d.value_channels), "ONC")
    memory_keys = TensorSpec("memory_keys", (rows, d.key_channels + 1), "NC")
    memory_values = TensorSpec("memory_values", (d.objects, rows, d.value_channels), "ONC")
    readout = TensorSpec("readout", (d.objects, d.value_channels, h, w), "NCHW")
    logits = TensorSpec("logits", (d.objects, 1, d.height, d.width), "NCHW")
    write = TensorSpec("write", (d.memory_frames,), "T")
    step = (logits, key, feature16, feature8)
    table: dict[str, tuple[tuple[TensorSpec, ...], ...]] = {
        "encode_query": ((image,), (key, feature16, feature8, feature4)),
        "encode_memory": ((key, feature16, feature8, masks, others), (memory_key, memory_value)),
        "read_memory": ((key, memory_keys, memory_values), (readout,)),
        "decode": ((readout, feature16, feature8, feature4), (logits,)),
        "segment": ((image, memory_keys, memory_values), step),
        STATEFUL_STEP: ((image, memory_key, memory_value, write), step, _bank_states(d)),
    }
    return Signature(component, *table[component])


def _bank_states(d: Dimensions) -> tuple[TensorSpec, ...]:
    """The memory bank as a state: by slot, since that is what is written; float16, since Core ML keeps nothing else."""
    rows = (d.memory_frames, d.positions, d.key_channels + 1)
    return (
        TensorSpec("bank_keys", rows, "TNC", "float16"),
        TensorSpec("bank_values", (d.objects, *rows[:2], d.value_channels), "OTNC", "float16"),
        TensorSpec("bank_filled", (d.memory_frames,), "T", "float16"),
    )
