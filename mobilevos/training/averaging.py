"""Averaging the weights of several runs into one network (model soups, Wortsman et al., ICML 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mobilevos.errors import InputError
from mobilevos.files import sha256_of
from mobilevos.model.checkpoint import load_network
from mobilevos.model.network import MemoryNetwork

__all__ = ["average_checkpoints", "average_networks"]


def average_networks(networks: Sequence[MemoryNetwork]) -> MemoryNetwork:
    """The uniform soup: the mean of all parameters and running statistics, `theta = (1/n) sum_i theta_i`.

    It can be better than each of them where they come from one initialisation and were trained on differently (other
    seeds, rates or losses); networks that never shared weights average to nothing useful.

    Args:
        networks: Two or more of one configuration; they stay as they are.

    Returns:
        A new network in evaluation mode, on the CPU.

    Raises:
        InputError: There are fewer than two, or their configurations differ.
    """
    return _average(networks, [f"network {place}" for place in range(1, len(networks) + 1)])


def average_checkpoints(paths: Sequence[Path]) -> tuple[MemoryNetwork, dict[str, Any]]:
    """`average_networks` of files.

    Args:
        paths: Two or more checkpoints, no two with the same content.

    Returns:
        The network, and its provenance: `averaged_sha256`, of each file in order, and the package's version.

    Raises:
        InputError: There are fewer than two, one is missing or damaged or comes twice, or their networks differ.
    """
    average = _average([load_network(path) for path in paths], [str(path) for path in paths])
    hashes = [sha256_of(path) for path in paths]
    for place, digest in enumerate(hashes):
        if (first := hashes.index(digest)) != place:
            raise InputError(f"{paths[place]} is given twice", found=f"the content of {paths[first]}")
    return average, {"averaged_sha256": hashes, "mobilevos": version("mobilevos")}


@torch.no_grad()
def _average(networks: Sequence[MemoryNetwork], names: Sequence[str]) -> MemoryNetwork:
    if len(networks) < 2:
        raise InputError("nothing to average", expected="two or more networks", found=str(len(networks)))
    config = networks[0].config
    for network, name in zip(networks, names, strict=True):
        if network.config != config:
            same = " of other dimensions" if network.config.name == config.name else ""
            raise InputError(
                f"{name} is another network than {names[0]}", expected=config.name, found=network.config.name + same
            )
    states = [network.state_dict() for network in networks]
    average = MemoryNetwork(config)
    average.load_state_dict({name: _mean([state[name] for state in states]) for name in states[0]})
    return average.eval()


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    """In float64. Whole numbers only count batches: the largest is kept."""
    stacked = torch.stack([tensor.cpu() for tensor in tensors])
    if not stacked.is_floating_point():
        return stacked.amax(0)
    return stacked.double().mean(0).to(stacked.dtype)
