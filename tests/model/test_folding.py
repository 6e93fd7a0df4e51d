"""Folding batch norm changes the graph, not the function."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mobilevos.model.folding import fold_batch_norm
from mobilevos.model.network import MemoryNetwork
from mobilevos.model.variants import build_network

STUDENTS = ("mobilenet_v2", "mobilenet_v2_aspp", "resnet18", "resnet18_aspp")


def with_random_statistics(network: MemoryNetwork) -> MemoryNetwork:
    """As after training: statistics, scales and shifts that are not those of a fresh layer."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                for tensor, low in (
                    (module.running_mean, -0.5),
                    (module.running_var, 0.5),
                    (module.weight, 0.5),
                    (module.bias, -0.5),
                ):
                    tensor.uniform_(low, low + 1, generator=generator)
    return network


@pytest.mark.parametrize("student", STUDENTS)
@torch.no_grad()
def test_a_folded_student_computes_the_same(student: str) -> None:
    network = with_random_statistics(build_network(student, seed=2)).eval()
    folded = fold_batch_norm(network)
    image, masks = (
        torch.rand(shape, generator=torch.Generator().manual_seed(1)) for shape in ((1, 3, 32, 48), (2, 1, 32, 48))
    )

    def run(one: MemoryNetwork) -> list[torch.Tensor]:
        query = one.encode_query(image)
        value = one.encode_memory(query, masks, 1 - masks)
        readout = one.read_memory(query.key, query.key[:, :, None], value[None, :, :, None])
        return [*query, value, one.decode(readout, query)]

    for actual, expected in zip(run(folded), run(network), strict=True):
        spread = float(expected.max() - expected.min())
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5 * spread)


@pytest.mark.parametrize("student", STUDENTS)
def test_no_batch_norm_is_left_and_the_original_keeps_its_own(student: str) -> None:
    network = build_network(student).train()
    names = list(network.state_dict())
    folded = fold_batch_norm(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert not any(module.training for module in folded.modules())
    assert list(network.state_dict()) == names
    assert network.training


def test_a_batch_norm_of_which_nobody_knows_what_it_follows_is_refused() -> None:
    network = build_network("mobilenet_v2")
    network.decoder.add_module("lonely", nn.BatchNorm2d(4))
    with pytest.raises(ValueError, match=r"batch norm .*decoder\.lonely"):
        fold_batch_norm(network)


def test_a_batch_norm_before_its_convolution_is_refused() -> None:
    network = build_network("mobilenet_v2")
    network.decoder.add_module("swapped", nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)))
    with pytest.raises(ValueError, match=r"decoder\.swapped\.0"):
        fold_batch_norm(network)
