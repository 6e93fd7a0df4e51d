"""The named networks. Each is one YAML file of `mobilevos/config/model`, which Hydra and this module read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import torch
from omegaconf import DictConfig, ListConfig, OmegaConf

from mobilevos.errors import InputError
from mobilevos.model.network import MemoryNetwork, NetworkConfig
from mobilevos.model.trunk import load_imagenet_weights

__all__ = ["VARIANTS", "build_network", "network_config", "parse_network_config"]

VARIANTS = ("mobilenet_v2", "mobilenet_v2_aspp", "resnet18", "resnet18_aspp", "teacher_mobilenet_v2")
"""The names that `network_config` knows: four students and the light teacher."""


@cache
def network_config(variant: str) -> NetworkConfig:
    """The configuration of a named network.

    Raises:
        InputError: No network has this name.
    """
    if variant not in VARIANTS:
        raise InputError(f"no network named {variant!r}", expected=f"one of {', '.join(VARIANTS)}")
    file = variant if variant.startswith("teacher") else f"student_{variant}"
    return parse_network_config(_read(file))


def parse_network_config(values: Mapping[str, Any] | DictConfig) -> NetworkConfig:
    """A typed configuration from plain values.

    Raises:
        OmegaConfBaseException: A key is unknown or missing, or a value is of the wrong type.
    """
    return cast(NetworkConfig, OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(NetworkConfig), values)))


def _read(file: str) -> DictConfig:
    node = OmegaConf.create((files("mobilevos.config") / "model" / f"{file}.yaml").read_text())
    assert isinstance(node, DictConfig)
    merged: DictConfig | ListConfig = OmegaConf.create({})
    for base in node.pop("defaults", []):
        if base != "_self_":
            merged = OmegaConf.merge(merged, _read(base))
    return cast(DictConfig, OmegaConf.merge(merged, node))


def build_network(
    config: NetworkConfig | str, *, trunk_weights: Path | str | None = None, seed: int = 0
) -> MemoryNetwork:
    """Builds a network with seeded random weights, its trunk from ImageNet weights where they are given.

    Args:
        config: A configuration, or a name from `VARIANTS`.
        trunk_weights: A torchvision classifier's weights (see `load_imagenet_weights`).
        seed: Seeds the weights; the caller's random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = MemoryNetwork(network_config(config) if isinstance(config, str) else config)
    if trunk_weights is not None:
        load_imagenet_weights(network.query_encoder.trunk, trunk_weights)
    return network
