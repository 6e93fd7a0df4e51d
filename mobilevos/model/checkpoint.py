"""Networks on disk: safetensors with the network's configuration and provenance in the header.

Nothing here can run code from a file: safetensors holds numbers and text, no pickle.
"""

from __future__ import annotations

import copy
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from omegaconf.errors import OmegaConfBaseException
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mobilevos.errors import InputError
from mobilevos.files import atomic_write_bytes
from mobilevos.model.int8_weights import int8_weights, state_from_int8_weights
from mobilevos.model.network import MemoryNetwork, NetworkConfig
from mobilevos.model.variants import VARIANTS, network_config, parse_network_config

__all__ = ["FORMAT", "is_checkpoint", "load_network", "load_state", "load_tensors", "read_metadata", "save_network"]

FORMAT = "mobilevos-1"
"""Value of the header's `format`."""


def save_network(
    network: MemoryNetwork,
    path: Path | str,
    *,
    provenance: dict[str, Any],
    quantization: dict[str, Any] | None = None,
    precision: str = "fp32",
    overwrite: bool = True,
) -> None:
    """Writes a network as a whole or not at all; the same network and provenance give the same bytes.

    Args:
        network: Its parameters, buffers and configuration are written.
        path: A `.safetensors` file.
        provenance: What is to be known of its making; anything JSON can hold.
        quantization: Ranges of its activations for int8, from `StoredQuantization.to_json`; None if it has none.
        precision: Of what is stored: `fp32`, `fp16`, or `int8`, which holds kernels and scales, and no batch norm.
        overwrite: Whether an existing file may be replaced.

    Raises:
        InputError: The file cannot be written, or a number is not finite, as it is stored: no such file could be loaded
            again.
    """
    tensors = {
        name: (tensor.half() if precision == "fp16" and tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in _stored_tensors(network, precision).items()
    }
    metadata = {
        "format": FORMAT,
        "weights": "int8" if precision == "int8" else "float",
        "network": json.dumps(asdict(network.config), sort_keys=True),
        "provenance": json.dumps(provenance, sort_keys=True),
    }
    if quantization is not None:
        metadata["quantization"] = json.dumps(quantization, sort_keys=True)
    _refuse_not_finite(tensors, f"the network to be written to {path}")
    # As bytes first: a full disk then is an ordinary OSError, which `save_file` would hide in its own error type.
    atomic_write_bytes(path, _with_sorted_metadata(save(tensors, metadata)), overwrite=overwrite)


def _stored_tensors(network: MemoryNetwork, precision: str) -> dict[str, Tensor]:
    if precision == "int8":
        return int8_weights(copy.deepcopy(network).cpu())
    return {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}


def _with_sorted_metadata(content: bytes) -> bytes:
    """The same bytes every time: safetensors writes its metadata in an order that changes from call to call."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    encoded = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    encoded += b" " * (-len(encoded) % 8)  # the format aligns what follows
    return len(encoded).to_bytes(8, "little") + encoded + content[start:]


def is_checkpoint(path: Path | str) -> bool:
    """Whether a `.safetensors` file is a checkpoint of this project.

    Raises:
        InputError: It is missing or damaged.
    """
    return _header(_existing(path)).get("format") == FORMAT


def _header(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error


def read_metadata(path: Path | str) -> dict[str, Any]:
    """A checkpoint's header: `network`, `provenance` and `quantization`, which may be None. Weights are not read.

    Raises:
        InputError: Not a checkpoint of this project, or damaged.
    """
    path = _existing(path)
    metadata = _header(path)
    if metadata.get("format") != FORMAT:
        raise InputError(
            f"{path} is not a MobileVOS checkpoint",
            expected=f"format {FORMAT}",
            found=str(metadata.get("format")),
        )
    try:
        return {
            "network": json.loads(metadata["network"]),
            "provenance": json.loads(metadata["provenance"]),
            "quantization": json.loads(metadata.get("quantization", "null")),
        }
    except (KeyError, json.JSONDecodeError) as error:
        raise _unreadable(path, error) from error


def load_network(path: Path | str, *, expected_variant: str | None = None) -> MemoryNetwork:
    """A network in evaluation mode from a `.safetensors` checkpoint, in float32.

    Args:
        path: A file that `save_network` wrote.
        expected_variant: The network the caller wants, checked against the header.

    Raises:
        InputError: The file is missing, damaged, of another format or of another network.
    """
    config = _config(Path(path), read_metadata(path)["network"])
    if expected_variant is not None and config != network_config(expected_variant):
        known = config.name in VARIANTS and config.name != expected_variant
        raise InputError(
            f"{path} holds another network",
            expected=expected_variant,
            found=config.name + (" of other dimensions" if config.name == expected_variant else ""),
            remedy=f"pass --model {config.name}" if known else "",
        )
    network = MemoryNetwork(config)
    tensors = load_tensors(path)
    if _header(Path(path)).get("weights") == "int8":
        _refuse_not_finite(tensors, path)
        tensors = state_from_int8_weights(network, tensors)
    load_state(network, tensors, path)
    return network.eval()


def load_tensors(path: Path | str) -> dict[str, Tensor]:
    """Every tensor of a `.safetensors` file.

    Raises:
        InputError: The file is missing or damaged.
    """
    path = _existing(path)
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error


def load_state(network: torch.nn.Module, tensors: dict[str, Tensor], source: Path | str) -> None:
    """Fills a network, every tensor accounted for.

    Raises:
        InputError: A tensor is missing, left over, of another shape or kind of number, or not finite.
    """
    own = network.state_dict()
    wrong = [name for name in own if name not in tensors or not _fits(tensors[name], own[name])]
    extra = [name for name in tensors if name not in own]
    if wrong or extra:
        name = (wrong or extra)[0]
        raise InputError(
            f"{source} does not fit the network ({len(wrong)} tensors wrong, {len(extra)} left over), first {name}",
            expected=_describe(own[name]) if name in own else "no such tensor",
            found=_describe(tensors[name]) if name in tensors else "none",
        )
    converted = {name: tensors[name].to(own[name].dtype) for name in own}
    _refuse_not_finite(converted, source)
    network.load_state_dict(converted)


def _fits(given: Tensor, own: Tensor) -> bool:
    return given.shape == own.shape and given.is_floating_point() == own.is_floating_point()


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def _refuse_not_finite(tensors: dict[str, Tensor], source: Path | str) -> None:
    damaged = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if damaged:
        more = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
        raise InputError(f"{source} holds numbers that are not finite", found=f"{damaged[0]}{more}")


def _config(path: Path, given: dict[str, Any]) -> NetworkConfig:
    try:
        return parse_network_config(given)
    except (OmegaConfBaseException, TypeError, ValueError) as error:
        raise _unreadable(path, error) from error


def _existing(path: Path | str) -> Path:
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no checkpoint at {path}")
    return path


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return InputError(
        f"{path} is not a readable checkpoint", expected="a .safetensors file of this project", found=reason
    )
