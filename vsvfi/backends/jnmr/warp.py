"""AdaCoF warping as the full model uses it: sampled between pixels everywhere, also at negative offsets."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from vsvfi.backends.jnmr.blocks import side_length, tap_grid

__all__ = ["collaborative_warp", "sample"]


type Mode = Literal["bilinear", "bicubic"]


def _positions(height: int, width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    y = torch.arange(height, dtype=torch.float32, device=like.device).view(-1, 1)
    x = torch.arange(width, dtype=torch.float32, device=like.device).view(1, -1)
    return y, x


def _grid_sample(image: Tensor, y: Tensor, x: Tensor, mode: Mode = "bilinear") -> Tensor:
    """Samples of ``image`` ``(N, C, H, W)`` at pixel positions ``(N, h, w)``; the border is repeated."""
    height, width = image.shape[-2:]
    grid = torch.stack((x * (2 / max(width - 1, 1)) - 1, y * (2 / max(height - 1, 1)) - 1), -1)
    return F.grid_sample(image.float(), grid, mode=mode, padding_mode="border", align_corners=True)


def sample(image: Tensor, flow: Tensor) -> Tensor:
    """``image`` ``(N, C, H, W)`` at each pixel displaced by ``flow`` ``(N, 2, H, W)``, (x, y) in pixels."""
    height, width = flow.shape[-2:]
    y, x = _positions(height, width, flow)
    return _grid_sample(image, y + flow[:, 1], x + flow[:, 0])


def collaborative_warp(
    image: Tensor,
    weight: Tensor,
    alpha: Tensor,
    beta: Tensor,
    *,
    base: Tensor | None = None,
    dilation: int = 1,
    mode: Mode = "bilinear",
) -> Tensor:
    """Sum over the taps of weight times the image sampled at the displaced tap (equation 1 of the paper).

    Args:
        image: ``(N, C, H, W)``.
        weight: ``(N, K * K, H, W)``, a distribution over the taps.
        alpha: vertical offsets of the taps in pixels, of the same shape.
        beta: horizontal offsets.
        base: ``(N, 2, H, W)``, a displacement (x, y) that all taps share.
        dilation: pixels between undisplaced taps.
        mode: how values between pixels are found: AdaCoF's ``"bilinear"``, or ``"bicubic"``, which a kernel of one
            tap needs to stay sharp.
    """
    taps, height, width = weight.shape[1:]
    y, x = _positions(height, width, weight)
    if base is not None:
        y, x = y + base[:, 1:2], x + base[:, 0:1]
    side = side_length(taps)
    rows, columns = tap_grid(side, dilation, weight)
    y = y + alpha + rows.view(1, -1, 1, 1)
    x = x + beta + columns.view(1, -1, 1, 1)
    output = image.new_zeros((), dtype=torch.float32)
    # A row of the kernel at a time: all samples of all taps at once would be gigabytes for a large frame.
    for some_y, some_x, some_weights in zip(*(torch.split(v, side, 1) for v in (y, x, weight)), strict=True):
        samples = _grid_sample(image, some_y.flatten(1, 2), some_x.flatten(1, 2), mode)
        samples = samples.view(*samples.shape[:2], side, height, width)
        output = output + torch.einsum("nckhw,nkhw->nchw", samples, some_weights)
    return output
