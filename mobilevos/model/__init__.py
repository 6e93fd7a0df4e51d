"""The networks: trunk, encoders, memory read, decoder; the STCN teacher; checkpoints."""

from mobilevos.model.checkpoint import load_network, save_network
from mobilevos.model.network import MemoryNetwork, NetworkConfig
from mobilevos.model.variants import VARIANTS, build_network, network_config

__all__ = [
    "VARIANTS",
    "MemoryNetwork",
    "NetworkConfig",
    "build_network",
    "load_network",
    "network_config",
    "save_network",
]
