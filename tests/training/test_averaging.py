"""Model soups: the plain mean of networks that are alike, and a refusal of any others."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
import torch

from mobilevos.errors import InputError
from mobilevos.files import sha256_of
from mobilevos.model.checkpoint import save_network
from mobilevos.model.network import MemoryNetwork
from mobilevos.model.variants import build_network, network_config
from mobilevos.training.averaging import average_checkpoints, average_networks


@pytest.fixture(scope="module")
def networks() -> list[MemoryNetwork]:
    """Three of one kind; their statistics differ, too."""
    made = []
    for seed in range(3):
        network = build_network("mobilenet_v2", seed=seed)
        generator = torch.Generator().manual_seed(seed)
        for name, buffer in network.named_buffers():
            if buffer.is_floating_point():
                buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
            elif name.endswith("num_batches_tracked"):
                buffer.fill_(10 * seed)
        made.append(network)
    return made


def test_parameters_and_statistics_are_means_and_counters_the_largest(networks: list[MemoryNetwork]) -> None:
    before = [{name: tensor.clone() for name, tensor in network.state_dict().items()} for network in networks]
    average = average_networks(networks)
    assert average.config == networks[0].config
    assert not average.training
    for name, tensor in average.state_dict().items():
        given = [state[name] for state in before]
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, sum(given) / 3, rtol=1e-6, atol=1e-7)
        else:
            assert tensor == max(given) == 20
        assert all(torch.equal(n.state_dict()[name], one) for n, one in zip(networks, given, strict=True))


def test_the_order_does_not_matter_and_a_network_with_itself_is_itself(networks: list[MemoryNetwork]) -> None:
    first = average_networks(networks).state_dict()
    for order in permutations(networks):
        for name, tensor in average_networks(order).state_dict().items():
            torch.testing.assert_close(tensor, first[name], rtol=1e-7, atol=1e-9)
    twice = average_networks([networks[1], networks[1]]).state_dict()
    assert all(torch.equal(twice[name], tensor) for name, tensor in networks[1].state_dict().items())


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_are_refused(count: int, networks: list[MemoryNetwork]) -> None:
    with pytest.raises(InputError, match=f"nothing to average; expected two or more networks; found {count}$"):
        average_networks(networks[:count])


def test_another_network_is_named(networks: list[MemoryNetwork]) -> None:
    with pytest.raises(InputError, match=r"network 2 is another network than network 1.*found mobilenet_v2_aspp$"):
        average_networks([networks[0], build_network("mobilenet_v2_aspp")])
    narrow = build_network(replace(network_config("mobilenet_v2"), key_channels=32))
    with pytest.raises(InputError, match=r"network 3 .*; found mobilenet_v2 of other dimensions$"):
        average_networks([*networks[:2], narrow])


def test_files_are_averaged_and_listed_by_their_hashes(networks: list[MemoryNetwork], tmp_path: Path) -> None:
    paths = [tmp_path / f"{place}.safetensors" for place in range(3)]
    for path, network in zip(paths, networks, strict=True):
        save_network(network, path, provenance={})
    average, provenance = average_checkpoints(paths)
    assert provenance["averaged_sha256"] == [sha256_of(path) for path in paths]
    expected = average_networks(networks).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in average.state_dict().items())
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(paths[0].read_bytes())
    with pytest.raises(InputError, match=r"copy\.safetensors is given twice; found the content of .*0\.safetensors"):
        average_checkpoints([*paths, copy])
