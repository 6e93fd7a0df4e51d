"""Real inputs for every component: what the reference hands from one to the next on a clip, not noise."""

from __future__ import annotations

import numpy as np

from mobilevos.contract import EMPTY_BIAS, Dimensions
from mobilevos.data.synthetic import SyntheticClip
from mobilevos.engines.engine import Array, Engine

__all__ = ["Activations", "in_c_order", "record_activations"]

Activations = dict[str, tuple[tuple[Array, ...], tuple[Array, ...]]]
"""Inputs and outputs of each component, in the contract's order."""


def record_activations(engine: Engine, dimensions: Dimensions, seed: int = 0) -> Activations:
    """Runs the reference over two frames of a synthetic clip and notes what goes in and out of each component.

    Args:
        engine: The reference.
        dimensions: Frame size, memory capacity (of which one frame is filled) and number of objects.
        seed: Of the clip.
    """
    d = dimensions
    clip = SyntheticClip(seed, length=4, size=(d.height, d.width), objects=d.objects)
    first, image = (_image(clip.frame(t)) for t in (0, 3))
    labels = clip.mask(0)
    masks = np.stack([labels == i + 1 for i in range(d.objects)]).astype(np.float32)[:, None]
    others = masks.sum(0, keepdims=True) - masks

    past = engine.encode_query(first)
    memory_key, memory_value = engine.encode_memory(past, masks, others)
    keys = np.zeros((d.memory_frames * d.positions, d.key_channels + 1), np.float32)
    keys[:, -1] = EMPTY_BIAS
    values = np.zeros((d.objects, len(keys), d.value_channels), np.float32)
    keys[: d.positions], values[:, : d.positions] = memory_key, memory_value

    query = engine.encode_query(image)
    readout = engine.read_memory(query, keys, values)
    logits = engine.decode(readout, query)
    assert query.feature4 is not None
    features = (query.feature16, query.feature8, query.feature4)
    return {
        "encode_query": ((image,), (query.key, *features)),
        "encode_memory": (
            (past.key, past.feature16, past.feature8, masks, others),
            (memory_key, memory_value),
        ),
        "read_memory": ((query.key, keys, values), (readout,)),
        "decode": ((readout, *features), (logits,)),
        "segment": ((image, keys, values), (logits, query.key, query.feature16, query.feature8)),
    }


def _image(frame: np.ndarray) -> Array:
    return np.ascontiguousarray(frame.transpose(2, 0, 1)[None], np.float32) / np.float32(255)


def in_c_order(activations: Activations) -> Activations:
    """The same in C order, as an engine's own outputs are. PyTorch's are channels-last, and it is fastest on those."""

    def ordered(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(np.ascontiguousarray(array) for array in arrays)

    return {name: (ordered(inputs), ordered(outputs)) for name, (inputs, outputs) in activations.items()}
