"""Adaptive warping of a tile of a frame."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from vsvfi.nets.geometry import pixel_grid
from vsvfi.nets.memc_net.blocks import KERNEL_TAPS
from vsvfi.nets.tiles import Tile
from vsvfi.ops import adaptive_warp

__all__ = ["adaptive_warp_tile"]

_TAPS = math.isqrt(KERNEL_TAPS)


def adaptive_warp_tile(image: Callable[[Tile], Tensor], flow: Tensor, kernels: Tensor, tile: Tile) -> Tensor:
    """``adaptive_warp(image, flow, kernels)`` in one tile, without the rest of the image.

    Args:
        image: gives any tile of the image ``(N, C, H, W)``; asked for the one that the flow leads to.
        flow: of the whole frame, ``(N, 2, H, W)``, fp32.
        kernels: of the whole frame, ``(N, 16, H, W)``.
        tile: the tile to compute.

    Returns:
        ``(N, C, tile.height, tile.width)``.
    """
    height, width = flow.shape[-2:]
    whole = Tile(0, height, 0, width)
    if tile == whole:
        return adaptive_warp(image(whole), flow, kernels)
    motion = tile.of(flow)
    place = pixel_grid(tile.height, tile.width, flow.device) + flow.new_tensor((tile.left, tile.top))[:, None, None]
    # Rounded as in the whole frame, where a sum with larger coordinates loses more digits.
    target = place + motion
    limits = flow.new_tensor((width, height))[:, None, None]
    valid = ((target >= 0) & (target <= limits - 1) & (motion.abs() < limits / 2)).all(1, keepdim=True)
    motion = torch.where(valid, target - place, 0)
    around = _source(torch.where(valid, target, place), motion, tile, whole)
    inner = tile.within(around)
    there = image(around)
    local_flow = flow.new_zeros((*flow.shape[:2], around.height, around.width))
    inner.of(local_flow).copy_(motion)
    local_kernels = kernels.new_zeros((*kernels.shape[:2], around.height, around.width))
    inner.of(local_kernels).copy_(tile.of(kernels))
    # What the operator does not warp is a copy of the image at the same place.
    return torch.where(valid, inner.of(adaptive_warp(there, local_flow, local_kernels)), inner.of(there))


def _source(target: Tensor, motion: Tensor, tile: Tile, whole: Tile) -> Tile:
    """The rectangle of the frame that holds the windows around all targets, and the tile itself."""
    sides: list[tuple[int, int]] = []
    axes = ((tile.left, tile.right, whole.right), (tile.top, tile.bottom, whole.bottom))
    # Together: to read from a GPU is to wait for it.
    dims = (0, 2, 3)
    reached = torch.stack((target.amin(dims), target.amax(dims), motion.abs().amax(dims)), 1).tolist()
    for (first, last, end), (least, most, moved) in zip(axes, reached, strict=True):
        low = max(0, min(first, math.floor(least) + 1 - _TAPS // 2))
        high = min(end, max(last, math.floor(most) + _TAPS // 2 + 1))
        # The operator leaves alone what moves by half of an image or more: the rectangle must be larger than that.
        missing = max(0, 2 * math.ceil(moved) + 1 - (high - low))
        sides.append((max(0, low - missing), min(end, high + missing)))
    (left, right), (top, bottom) = sides
    return Tile(top, bottom, left, right)
