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
    inputs = example_inputs("decode", dimensions, torch.Generator().manual_seed(0))
    programs = quantize(network, dimensions, stored.specification, stored.ranges, ["decode"]).programs

    def computed(lowered: LoweredProgram) -> torch.Tensor:
        (result,) = Runtime.get().load_program(lowered.buffer).load_method("decode").execute(inputs)
        return result.clone()

    shared = lower(programs, {"decode": inputs})
    monkeypatch.setattr(export.lowering, "shared_bias_scales", nullcontext)
    apart = lower(programs, {"decode": inputs})
    channels = sum(one.out_channels for one in network.decoder.modules() if isinstance(one, torch.nn.Conv2d))
    assert apart.method_bytes["decode"] - shared.method_bytes["decode"] >= 4 * channels
    assert torch.equal(computed(shared), computed(apart))
