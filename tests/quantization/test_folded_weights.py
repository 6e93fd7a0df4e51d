"""Folding with a gradient is the folding of the export."""

import pytest
import torch

from mobilevos.model.folding import fold_batch_norm
from mobilevos.model.network import MemoryNetwork
from mobilevos.model.variants import VARIANTS, build_network
from mobilevos.quantization.folded_weights import folded_weights


@pytest.mark.parametrize("variant", [name for name in VARIANTS if "teacher" not in name])
def test_it_gives_the_exported_weights_bit_for_bit(variant: str) -> None:
    network = build_network(variant, seed=3).eval()
    generator = torch.Generator().manual_seed(0)
    for name, buffer in network.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.1)
    expected = dict(fold_batch_norm(network).named_parameters())
    found = folded_weights(network)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_every_parameter_gets_a_gradient(student: MemoryNetwork) -> None:
    student.zero_grad(set_to_none=True)
    torch.stack([weight.square().sum() for weight in folded_weights(student).values()]).sum().backward()
    without = [name for name, parameter in student.named_parameters() if parameter.grad is None]
    student.zero_grad(set_to_none=True)
    assert without == []
