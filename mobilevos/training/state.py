"""The state that a run starts from."""

from __future__ import annotations

import copy

import torch

from mobilevos.errors import InputError
from mobilevos.model.checkpoint import load_network
from mobilevos.model.network import MemoryNetwork
from mobilevos.model.variants import build_network
from mobilevos.training.checkpoints import Checkpoint
from mobilevos.training.config import config_hash
from mobilevos.training.optimisation import add_ranges, build_optimizer, set_training_mode
from mobilevos.training.quantized import build_fake_quantization
from mobilevos.training.schema import QAT, RunConfig

__all__ = ["initial_state"]


def initial_state(config: RunConfig, device: torch.device) -> Checkpoint:
    """The network that the configuration names, its average, and a fresh optimizer.

    Raises:
        InputError: Weights are missing, damaged, of another network, or given twice; a toolkit is missing.
    """
    network = _network(config).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    set_training_mode(network, config.training.frozen_norm)
    average = copy.deepcopy(network).eval().requires_grad_(False)
    if config.training.compile:  # after the copy: the average is never run while training
        network.query_encoder.compile()
        network.memory_encoder.compile()
    fake = build_fake_quantization(network, config) if config.stage == QAT else None
    optimizer = build_optimizer(network, config.training)
    if fake is not None:
        add_ranges(optimizer, fake.ranges, config)
    scaler = torch.amp.GradScaler(device.type, enabled=config.training.precision == "fp16")
    return Checkpoint(0, network, average, optimizer, scaler, config_hash(config), fake)


def _network(config: RunConfig) -> MemoryNetwork:
    given = [name for name in ("init", "encoder", "trunk_weights") if getattr(config, name)]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} are given together", remedy="give one: each holds a trunk")
    wanted = config.model.network
    if config.init:
        network = load_network(config.init)
        if network.config != wanted:
            same = network.config.name == wanted.name
            found = network.config.name + (" of other dimensions" if same else "")
            raise InputError(f"{config.init} holds another network", expected=wanted.name, found=found)
        return network
    network = build_network(wanted, trunk_weights=config.trunk_weights or None, seed=config.seed)
    if config.encoder:
        donor = load_network(config.encoder).config
        if (donor.trunk, donor.key_channels) != (wanted.trunk, wanted.key_channels):
            raise InputError(
                f"{config.encoder} has another query encoder",
                expected=f"{wanted.trunk} with {wanted.key_channels} key channels",
                found=f"{donor.trunk} with {donor.key_channels}",
            )
        network.query_encoder.load_state_dict(load_network(config.encoder).query_encoder.state_dict())
    return network
