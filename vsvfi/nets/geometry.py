"""Pixel coordinates and the resizing of images and flows."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["pixel_grid", "reduced_size", "resize", "resize_flow", "resize_to"]


def pixel_grid(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """The coordinates of every pixel, ``(1, 2, height, width)``, channel 0 = x, fp32."""
    y, x = torch.meshgrid(
        torch.arange(height, dtype=torch.float32, device=device),
        torch.arange(width, dtype=torch.float32, device=device),
        indexing="ij",
    )
    return torch.stack((x, y))[None]


def resize(x: Tensor, factor: float) -> Tensor:
    """Resize ``(N, C, H, W)`` bilinearly by a factor, with ``align_corners=False`` and no antialiasing.

    The factor itself, not the ratio of the rounded sizes, maps coordinates: source = (target + 0.5) / factor - 0.5.
    """
    if factor == 1:
        return x
    return functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def resize_to(image: Tensor, size: tuple[int, int]) -> Tensor:
    """``image`` ``(N, C, H, W)`` at ``size`` (height, width): bilinear, align_corners False, no antialiasing."""
    if image.shape[-2:] == size:
        return image
    return functional.interpolate(image, size, mode="bilinear", align_corners=False)


def resize_flow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """Flows ``(N, 2K, H, W)``, channels x, y, x, y ..., at ``size`` and in that size's pixels."""
    height, width = flow.shape[-2:]
    if (height, width) == size:
        return flow
    # Filled on the device: a copy of two numbers from the host would make a GPU wait.
    ratio = flow.new_full((2,), size[1] / width)
    ratio[1].fill_(size[0] / height)
    return resize_to(flow, size) * ratio.repeat(flow.shape[1] // 2)[:, None, None]


def reduced_size(size: tuple[int, int], scale: float, multiple: int, least: int = 1) -> tuple[int, int]:
    """The size (height, width) times ``scale``, rounded to multiples of what a network needs, at least ``least``."""
    height, width = (max(1, -(-least // multiple), round(side * scale / multiple)) * multiple for side in size)
    return height, width
