"""BMBC's bilateral cost volume: matching costs of symmetric motions through a pixel of the new frame."""

from __future__ import annotations

import torch
from torch import Tensor

from vsvfi.ops import backward
from vsvfi.ops._common import accumulator, check

__all__ = ["bilateral_cost_volume", "reference"]

EPSILON = 1e-6
THRESHOLD = 0.999


def bilateral_cost_volume(first: Tensor, second: Tensor, motion: Tensor, *, timestep: float, radius: int) -> Tensor:
    """The inner products of two normalised feature maps along bilateral motions (Park et al., arXiv 2007.12622).

    For every ``d = (dx, dy)`` up to ``radius`` (``dx`` fastest): the first map at ``p - 2 t (V + d)`` times the second
    at ``p + 2 (1 - t) (V + d)``, summed over channels. At ``t = 0`` the first, at ``t = 1`` the second is not sampled.
    Samples whose bilinear weights inside the image sum to less than 0.999 count as 0, and sampling is that of
    `backward_warp` with ``align_corners=False``, on which the published network was trained.

    Args:
        first: ``(N, C, H, W)``; divided by its norm over the channels here.
        second: ``(N, C, H, W)``; likewise.
        motion: ``(N, 2, H, W)`` in pixels of these maps, channel 0 = x, 1 = y.
        timestep: From 0 to 1.
        radius: The largest displacement.

    Returns:
        ``(N, (2 * radius + 1) ** 2, H, W)`` of the first's type.
    """
    check("bilateral_cost_volume", first=(first, (None, None, None, None)))
    batch, channels, height, width = first.shape
    check(
        "bilateral_cost_volume",
        first=(first, (batch, channels, height, width)),
        second=(second, (batch, channels, height, width)),
        motion=(motion, (batch, 2, height, width)),
    )
    if not 0 <= timestep <= 1 or radius < 0:
        raise ValueError(
            f"bilateral_cost_volume: timestep must be from 0 to 1 and radius at least 0, got {timestep} and {radius}"
        )
    dtype = accumulator(first)
    normalised = [map_.to(dtype) for map_ in (first, second)]
    normalised = [map_ / (map_.square().sum(1, keepdim=True) + EPSILON).sqrt() for map_ in normalised]
    return reference(normalised[0], normalised[1], motion.to(dtype), timestep, radius).to(first.dtype)


def reference(first: Tensor, second: Tensor, motion: Tensor, timestep: float, radius: int) -> Tensor:
    """`bilateral_cost_volume` of maps that are normalised already, in plain torch."""
    planes = []
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            moved = motion + motion.new_tensor([dx, dy])[:, None, None]
            a = first if timestep == 0 else _sample(first, moved * (-2 * timestep))
            b = second if timestep == 1 else _sample(second, moved * (2 * (1 - timestep)))
            planes.append((a * b).sum(1))
    return torch.stack(planes, 1)


def _sample(features: Tensor, flow: Tensor) -> Tensor:
    ones = torch.ones_like(features[:, :1])
    mask = backward.reference(ones, flow.detach(), "bilinear", "zeros", False) >= THRESHOLD
    return backward.reference(features, flow, "bilinear", "replicate", False) * mask
