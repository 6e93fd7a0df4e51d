"""The space-time memory read: affinity, softmax, weighted sum. Pure functions (STCN, Cheng et al., 2021).

Two forms of the same mathematics:

- channels first and batched, `[B, C, N]`, for training and teachers: `l2_affinity`, `dot_product_affinity`,
  `memory_weights`, `read`, and `read_memory`, which composes them;
- the rows of `mobilevos.contract`, `[N, Ck+1]`, for phones: `memory_rows`, `query_rows`, `read_rows`. Every
  operation in them is one that the mobile runtimes take: two batched matrix products, a softmax over the last
  dimension, no top-k, no scatter, no broadcast over the affinity.

`Nq = h * w` query positions, `Nm = T * h * w` memory positions, `O` objects.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "dot_product_affinity",
    "l2_affinity",
    "memory_rows",
    "memory_weights",
    "query_rows",
    "read",
    "read_memory",
    "read_rows",
]


def l2_affinity(query_key: Tensor, memory_key: Tensor) -> Tensor:
    """Negative squared distance of keys, `(2 q.k - |k|^2) / sqrt(Ck)`.

    STCN's L2 similarity, scaled as in its code. The term `-|q|^2` is the same for a query's whole row, and the
    softmax cancels it.

    Args:
        query_key: `[B, Ck, Nq]`.
        memory_key: `[B, Ck, Nm]`.

    Returns:
        `[B, Nq, Nm]`.
    """
    scale = 1 / math.sqrt(query_key.shape[1])
    norm = memory_key.square().sum(dim=1, keepdim=True)  # [B, 1, Nm]
    return torch.baddbmm(norm, query_key.transpose(1, 2), memory_key, beta=-scale, alpha=2 * scale)


def dot_product_affinity(query_key: Tensor, memory_key: Tensor) -> Tensor:
    """Scaled dot product of keys, `q.k / sqrt(Ck)`, as in STM.

    Args:
        query_key: `[B, Ck, Nq]`.
        memory_key: `[B, Ck, Nm]`.

    Returns:
        `[B, Nq, Nm]`.
    """
    return torch.bmm(query_key.transpose(1, 2), memory_key) / math.sqrt(query_key.shape[1])


def memory_weights(affinity: Tensor, top_k: int | None = None) -> Tensor:
    """Softmax over the memory, the last dimension.

    Args:
        affinity: `[..., Nq, Nm]`.
        top_k: Every query reads its `top_k` nearest memory positions alone, or all of them if there are fewer.
            None reads all. For teachers: no mobile runtime takes a top-k.

    Returns:
        `[..., Nq, Nm]`, non-negative, every row's sum 1.
    """
    if top_k is None or top_k >= affinity.shape[-1]:
        return affinity.softmax(dim=-1)
    nearest, positions = affinity.topk(top_k, dim=-1)
    return torch.zeros_like(affinity).scatter(-1, positions, nearest.softmax(dim=-1))


def read(weights: Tensor, values: Tensor) -> Tensor:
    """Weighted sum of memory values, in one matrix product for all objects.

    Args:
        weights: `[B, Nq, Nm]`.
        values: `[B, O, Cv, Nm]`.

    Returns:
        `[B, O, Cv, Nq]`.
    """
    readout = torch.bmm(values.flatten(1, 2), weights.transpose(1, 2))  # [B, O*Cv, Nq]
    return readout.reshape(*values.shape[:3], -1)


def read_memory(query_key: Tensor, memory_key: Tensor, memory_value: Tensor, top_k: int | None = None) -> Tensor:
    """Reads a memory of any number of frames by L2 affinity.

    Args:
        query_key: `[B, Ck, h, w]`.
        memory_key: `[B, Ck, T, h, w]`.
        memory_value: `[B, O, Cv, T, h, w]`.
        top_k: As in `memory_weights`.

    Returns:
        Readout `[B*O, Cv, h, w]`, a frame's objects next to each other.
    """
    affinity = l2_affinity(query_key.flatten(2), memory_key.flatten(2))
    readout = read(memory_weights(affinity, top_k), memory_value.flatten(3))  # [B, O, Cv, h*w]
    return readout.reshape(-1, readout.shape[2], *query_key.shape[-2:])


def memory_rows(key: Tensor) -> Tensor:
    """A frame's rows of the memory bank: `2k / sqrt(Ck)`, and `-|k|^2 / sqrt(Ck)` as one channel more.

    Args:
        key: `[1, Ck, h, w]`.

    Returns:
        `[h*w, Ck+1]`.
    """
    channels = key.shape[1]
    # Constants of the key's own type: plain numbers become float32 tensors in ExecuTorch, which float16 must convert.
    double, norm = key.new_tensor([2 / math.sqrt(channels)]), key.new_tensor([-math.sqrt(channels)])
    # Channels last and then flat, not flat and then transposed: where activations are NHWC, neither moves anything.
    rows = key.permute(0, 2, 3, 1).reshape(1, -1, channels)  # [1, h*w, Ck]
    # The squared norm as a mean over two trailing dimensions: XNNPACK has this one reduction and no sum.
    mean_square = rows.reshape(1, -1, channels, 1).square().mean(dim=(2, 3), keepdim=True)
    bias = mean_square.reshape(1, -1, 1) * norm
    return torch.cat([rows * double, bias], dim=2).reshape(-1, channels + 1)


def query_rows(key: Tensor) -> Tensor:
    """A frame's query, with the constant 1 that meets the memory rows' last channel.

    Args:
        key: `[1, Ck, h, w]`.

    Returns:
        `[h*w, Ck+1]`, whose product with transposed memory rows is the L2 affinity.
    """
    # Padding and adding a constant are in every delegate; padding with ones is not, nor are ones made in the graph. And
    # TFLite's converter loses a transpose that comes right before a product, as would one that flattens first.
    one = torch.tensor([0.0] * key.shape[1] + [1.0], dtype=key.dtype, device=key.device)
    rows = F.pad(key.permute(0, 2, 3, 1), (0, 1)) + one
    return rows.reshape(-1, key.shape[1] + 1)


def read_rows(key: Tensor, memory_keys: Tensor, memory_values: Tensor, top_k: int | None = None) -> Tensor:
    """Reads the memory bank: `read_memory` of the contract.

    Args:
        key: The query frame's key, `[1, Ck, h, w]`.
        memory_keys: `[N, Ck+1]`, from `memory_rows`. A row whose last channel is `contract.EMPTY_BIAS` and
            whose others are 0 weighs nothing, unless every row is such.
        memory_values: `[O, N, Cv]`.
        top_k: As in `memory_weights`; None in an exported graph.

    Returns:
        Readout `[O, Cv, h, w]`.
    """
    positions, channels = memory_keys.shape
    objects, _, value_channels = memory_values.shape
    # Batch dimensions of 1 are made by reshaping, since XNNPACK does not take the operator behind `x[None]`.
    queries = query_rows(key).reshape(1, -1, channels)
    affinity = torch.bmm(queries, memory_keys.reshape(1, positions, channels).transpose(1, 2))  # [1, h*w, N]
    # All objects side by side in one product, so the affinity is neither repeated nor read twice.
    values = memory_values.transpose(0, 1).reshape(1, positions, objects * value_channels)
    readout = torch.bmm(memory_weights(affinity, top_k), values)  # [1, h*w, O*Cv]
    planes = readout.reshape(1, *key.shape[2:], objects * value_channels).permute(0, 3, 1, 2)
    return planes.reshape(objects, value_channels, *key.shape[2:])
