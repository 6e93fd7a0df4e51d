"""Where distillation looks: pixels at the boundaries of objects, and a random sample of them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["boundary_mask", "sample_pixels"]


def boundary_mask(labels: Tensor, *, radius: int = 2) -> Tensor:
    """Pixels near a change of label (Sobel filter and dilation, as in Miles et al., MobileVOS, CVPR 2023).

    A pixel is an edge if a Sobel derivative of any label's one-hot map is not 0 there, which gives two pixels,
    one on each side. What the ids are does not matter: two objects that touch are a boundary like object and
    background. Outside the frame the nearest pixel goes on, so the rim is no boundary.

    Args:
        labels: `[B, H, W]`, any integer dtype, at the resolution at which the pixels are wanted.
        radius: Dilation by a square of `2 * radius + 1` pixels; 0 is none.

    Returns:
        `[B, H, W]` bool.
    """
    ids = torch.unique(labels).view(1, -1, 1, 1)
    one_hot = F.pad((labels[:, None] == ids).float(), (1, 1, 1, 1), mode="replicate")  # [B, K, H+2, W+2]
    rows = one_hot[..., :-2, :] + 2 * one_hot[..., 1:-1, :] + one_hot[..., 2:, :]
    columns = one_hot[..., :-2] + 2 * one_hot[..., 1:-1] + one_hot[..., 2:]
    # Sobel's derivative is the difference of two such smoothed neighbours: only whether it is 0 counts.
    edges = (rows[..., 2:] != rows[..., :-2]) | (columns[..., 2:, :] != columns[..., :-2, :])
    return F.max_pool2d(edges.any(1).float(), 2 * radius + 1, stride=1, padding=radius) > 0


def sample_pixels(mask: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draws pixels of each sample at random: from the mask first, then, if it has too few, from the others.

    Each of the two draws is uniform. A pixel comes twice only where `count` exceeds the H*W pixels that there
    are. An all-True mask is uniform sampling.

    Args:
        mask: `[B, H, W]` bool.
        count: Pixels per sample, at least 1.
        generator: Source of the randomness. It may live on another device than the mask: one on the CPU gives
            the same pixels whatever the mask's device.

    Returns:
        `[B, count]` int64 on the mask's device, indices into the H*W pixels in row-major order, those of the
        mask first.
    """
    pixels = mask.shape[1] * mask.shape[2]
    # Ranked by a random key in 0..1 that the mask lifts to 1..2: a draw without replacement, for all samples at once.
    keys = torch.rand(mask.shape[0], pixels, generator=generator, device=generator.device).to(mask.device)
    indices = (keys + mask.flatten(1)).topk(min(count, pixels), dim=1).indices
    if count > pixels:
        shape = (mask.shape[0], count - pixels)
        more = torch.randint(pixels, shape, generator=generator, device=generator.device)
        indices = torch.cat([indices, more.to(mask.device)], dim=1)
    return indices
