"""A program whose biases share their kernels' scales computes the same, and is smaller by the scales of each bias."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

import export.lowering
from export.lowering import LoweredProgram, lower
from mobilevos.model.checkpoint import load_network
from mobilevos.model.components import example_inputs
from mobilevos.quantization.program import quantize
from mobilevos.quantization.stored import load_stored
from mobilevos.weights import default_int8_checkpoint

pytestmark = [pytest.mark.executorch, pytest.mark.slow]


def test_sharing_changes_the_size_and_nothing_that_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    from executorch.runtime import Runtime

    checkpoint = default_int8_checkpoint()
    assert checkpoint is not None
    network, stored = load_network(checkpoint), load_stored(checkpoint)
    assert stored is not None
    dimensions = network.dimensions(64, 96, 2, 1)
    names = ("encode_query", "encode_memory", "decode")
    inputs = {name: example_inputs(name, dimensions, torch.Generator().manual_seed(0)) for name in names}
    programs = quantize(network, dimensions, stored.specification, stored.ranges, names).programs

    def computed(lowered: LoweredProgram, component: str) -> list[torch.Tensor]:
        results = Runtime.get().load_program(lowered.buffer).load_method(component).execute(inputs[component])
        return [one.clone() for one in results]

    shared = lower(programs, inputs)
    monkeypatch.setattr(export.lowering, "shared_bias_scales", nullcontext)
    apart = lower(programs, inputs)
    parts = (network.query_encoder, network.memory_encoder, network.decoder)
    for name, part in zip(names, parts, strict=True):
        channels = sum(one.out_channels for one in part.modules() if isinstance(one, torch.nn.Conv2d))
        assert apart.method_bytes[name] - shared.method_bytes[name] >= 4 * channels
        pairs = zip(computed(shared, name), computed(apart, name), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs), name
