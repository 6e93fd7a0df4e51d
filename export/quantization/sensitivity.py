"""Where the loss of int8 comes from: each layer alone in int8, and each alone back in float, on real frames.

Every measurement is one shot: the first frame of a clip is memorised with its mask, and a later frame is segmented. So
an error shows where it is made, and is not fed back by the tracking loop.

Layers are ranked by what each costs alone. What is gained by one layer back in float looks like the fairer measure
and is not: any change makes all later roundings fall out otherwise, which moves the logits as much. On the shipped
student at 96x160, with ranks from 2 pairs of frames and 6 others to judge by, int8 had 30.9 dB and an IoU of 0.942;
with the ten worst by cost alone in float it had 36.2 dB and 0.975, with the ten best by gain 30.6 dB and 0.926.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export.parity import compare
from export.quantization.layerwise import LayerwiseComponent
from mobilevos.contract import EMPTY_BIAS, Dimensions
from mobilevos.evaluation import region_similarity
from mobilevos.model.memory_read import read_rows
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.program import observe
from mobilevos.quantization.ranges import Ranges
from mobilevos.quantization.specification import Specification

__all__ = ["FramePair", "LayerSensitivity", "Loss", "Sensitivity", "measure_sensitivity"]

_COMPONENTS = ("encode_query", "encode_memory", "decode")

Outputs = tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class FramePair:
    """Two frames of a clip.

    Attributes:
        first: `[1, 3, H, W]`, float32 in 0..1.
        mask: Of its object, `[1, 1, H, W]`, float32, 0 or 1.
        later: As `first`.
    """

    first: Tensor
    mask: Tensor
    later: Tensor


@dataclass(frozen=True)
class Loss:
    """How far a network is from itself in float, the mean over the pairs.

    Attributes:
        component_db: Signal to noise ratio of the worst output of the layer's component, decibels, at most 200.
        logits_db: Of the logits of the later frame.
        iou: Of the masks of the later frame, 0..1.
    """

    component_db: float
    logits_db: float
    iou: float


@dataclass(frozen=True)
class LayerSensitivity:
    """What one layer costs.

    Attributes:
        layer: Its path.
        component: That computes it.
        alone: With this layer in int8 and all others in float.
        restored: With this layer in float and all others in int8.
        gain_db: What that gains of the logits, beside all in int8.
        gain_iou: What that gains of the masks.
    """

    layer: str
    component: str
    alone: Loss
    restored: Loss
    gain_db: float
    gain_iou: float


@dataclass(frozen=True)
class Sensitivity:
    """Of a network.

    Attributes:
        layers: The one that costs the logits most, alone in int8, first.
        whole: With all in int8, by component: its own outputs, and logits and masks.
        pairs: On how many pairs of frames it was measured.
        size: Height and width of the frames, in pixels.
        source: Where the frames come from, for people.
        checkpoint_sha256: Of the network.
    """

    layers: tuple[LayerSensitivity, ...]
    whole: Mapping[str, Loss]
    pairs: int
    size: tuple[int, int]
    source: str
    checkpoint_sha256: str

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self) | {"size": list(self.size), "layers": [asdict(one) for one in self.layers]}


def measure_sensitivity(
    network: MemoryNetwork,
    dimensions: Dimensions,
    specification: Specification,
    ranges: Ranges,
    pairs: Sequence[FramePair],
    source: str,
    checkpoint_sha256: str,
    advance: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> Sensitivity:
    """Measures every layer that int8 is meant for, each in two ways.

    Args:
        network: A student.
        dimensions: Of the frames, for one object.
        specification: What is in float in any case.
        ranges: Of every site.
        pairs: At least one, of the dimensions' size.
        source: Where they come from, for people.
        checkpoint_sha256: Of the network.
        advance: Called with what was measured, how many steps are done and how many there are.

    Raises:
        InputError: A site has no range, or ExecuTorch, whose quantizer is used, is not installed.
    """
    observed = observe(network, dimensions, specification, _COMPONENTS)
    components = {name: LayerwiseComponent(one, specification, ranges) for name, one in observed.items()}
    runs = [_Run(components, dimensions, pair) for pair in pairs]
    names = [(layer, name) for name in _COMPONENTS for layer in components[name].layers]
    alone, restored = defaultdict[str, list[Loss]](list), defaultdict[str, list[Loss]](list)
    done, total = 0, 2 * len(names) * len(pairs)
    for run in runs:
        for int8, into in ((True, alone), (False, restored)):
            for layer, loss in run.layers(int8=int8):
                into[layer].append(loss)
                done += 1
                advance(layer, done, total)
    whole = {name: _mean([run.whole(name) for run in runs]) for name in _COMPONENTS}
    found = [_layer(layer, name, _mean(alone[layer]), _mean(restored[layer]), whole[name]) for layer, name in names]
    found.sort(key=lambda one: one.alone.logits_db)
    size = (dimensions.height, dimensions.width)
    return Sensitivity(tuple(found), whole, len(pairs), size, source, checkpoint_sha256)


def _layer(layer: str, component: str, alone: Loss, restored: Loss, whole: Loss) -> LayerSensitivity:
    gain_db, gain_iou = restored.logits_db - whole.logits_db, restored.iou - whole.iou
    return LayerSensitivity(layer, component, alone, restored, gain_db, gain_iou)


def _mean(losses: Sequence[Loss]) -> Loss:
    return Loss(
        fmean(one.component_db for one in losses),
        fmean(one.logits_db for one in losses),
        fmean(one.iou for one in losses),
    )


class _Run:
    """One pair of frames through the network, in float and with all in int8, and from there with one layer changed."""

    def __init__(self, components: Mapping[str, LayerwiseComponent], dimensions: Dimensions, pair: FramePair) -> None:
        self._components, self._dimensions, self._pair = components, dimensions, pair
        self._float, self._int8 = self._forward(int8=False), self._forward(int8=True)

    def _forward(self, *, int8: bool) -> _State:
        encoder = self._components["encode_query"]
        past, present = (encoder.run((one,), lambda layer: int8) for one in (self._pair.first, self._pair.later))
        return self._from_memory(past, present, self._memorise(past, int8=int8), int8=int8)

    def _memorise(self, past: Outputs, *, int8: bool) -> Outputs:
        return self._components["encode_memory"].run(self._memory_inputs(past), lambda layer: int8)

    def _memory_inputs(self, past: Outputs) -> Outputs:
        mask = self._pair.mask
        return (*past[:3], mask, torch.zeros_like(mask))

    def _from_memory(self, past: Outputs, present: Outputs, memory: Outputs, *, int8: bool) -> _State:
        """Reads and decodes."""
        readout = self._read(present, memory)
        logits = self._components["decode"].run((readout, *present[1:]), lambda layer: int8)
        return _State(past, present, memory, readout, logits[0])

    def _read(self, present: Outputs, memory: Outputs) -> Tensor:
        d = self._dimensions
        keys = torch.zeros(d.memory_frames * d.positions, d.key_channels + 1)
        keys[:, -1] = EMPTY_BIAS
        values = torch.zeros(1, len(keys), d.value_channels)
        keys[: d.positions], values[:, : d.positions] = memory
        with torch.no_grad():
            return read_rows(present[0], keys, values)

    def layers(self, *, int8: bool) -> Iterator[tuple[str, Loss]]:
        """Every layer with the loss that it alone makes in int8, or that is left with it alone in float."""
        base = self._float if int8 else self._int8
        encoder, memory, decoder = (self._components[name] for name in _COMPONENTS)
        frames = (encoder.one_by_one((one,), int8=int8) for one in (self._pair.first, self._pair.later))
        for (layer, past), (_, present) in zip(*frames, strict=True):
            state = self._from_memory(past, present, self._memorise(past, int8=not int8), int8=not int8)
            yield layer, self._loss("encode_query", state)
        for layer, memorised in memory.one_by_one(self._memory_inputs(base.past), int8=int8):
            state = self._from_memory(base.past, base.present, memorised, int8=not int8)
            yield layer, self._loss("encode_memory", state)
        for layer, logits in decoder.one_by_one((base.readout, *base.present[1:]), int8=int8):
            state = _State(base.past, base.present, base.memory, base.readout, logits[0])
            yield layer, self._loss("decode", state)

    def whole(self, component: str) -> Loss:
        """With all in int8."""
        return self._loss(component, self._int8)

    def _loss(self, component: str, state: _State) -> Loss:
        pairs = zip(self._float.outputs(component), state.outputs(component), strict=True)
        right, own = (one.logits.numpy() > 0 for one in (self._float, state))
        return Loss(
            min(_sqnr_db(one, other) for one, other in pairs),
            _sqnr_db(self._float.logits, state.logits),
            region_similarity(own[0, 0], right[0, 0]),
        )


@dataclass(frozen=True, eq=False)
class _State:
    """What a step computes.

    Attributes:
        past: Outputs of `encode_query` for the first frame.
        present: For the later frame.
        memory: Outputs of `encode_memory`.
        readout: Of the later frame.
        logits: Of the later frame.
    """

    past: Outputs
    present: Outputs
    memory: Outputs
    readout: Tensor
    logits: Tensor

    def outputs(self, component: str) -> Outputs:
        """What the layers of a component make: not the memory's key rows, which are the query encoder's."""
        return {"encode_query": self.present, "encode_memory": self.memory[1:], "decode": (self.logits,)}[component]


_MOST_DB = 200.0
"""In place of infinity, so that a mean over pairs says something: float32 itself has 144."""


def _sqnr_db(right: Tensor, own: Tensor) -> float:
    value = compare(np.ascontiguousarray(right.numpy()), np.ascontiguousarray(own.numpy())).sqnr_db
    return max(-_MOST_DB, min(value, _MOST_DB))
