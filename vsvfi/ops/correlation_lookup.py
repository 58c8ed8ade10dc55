"""Sampling of RAFT's all-pairs correlation in a square around each position (arXiv 2003.12039)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from vsvfi.ops._common import accumulator, check, gather, inside, position
from vsvfi.ops._launch import Extent, has_kernels, launch
from vsvfi.ops._operator import fake, gradient, operator

__all__ = ["correlation_lookup", "reference"]


def correlation_lookup(pyramid: Sequence[Tensor], coords: Tensor, *, radius: int = 4) -> Tensor:
    """Sample a pyramid of `all_pairs_correlation` in a square around each position, at every level.

    Args:
        pyramid: Tensors ``(N, H * W, H_l, W_l)``.
        coords: ``(N, 2, H, W)``: where each pixel of the first map points to in the second at level 0, absolute
            positions, channel 0 = x, 1 = y. Level ``l`` is sampled around ``coords / 2 ** l``.
        radius: The square's half side in pixels of each level.

    Returns:
        ``(N, levels * (2 * radius + 1) ** 2, H, W)`` of the pyramid's type: bilinear samples, 0 outside and at NaN.
        Channel ``level * (2 * radius + 1) ** 2 + i * (2 * radius + 1) + j`` is displaced by ``i - radius`` in x and
        ``j - radius`` in y: x is the slow index here, as published checkpoints expect.

    Raises:
        TypeError: a tensor is not of a floating-point type.
        ValueError: shapes or devices do not fit together, or there are no levels.
    """
    check("correlation_lookup", coords=(coords, (None, 2, None, None)))
    batch, _, height, width = coords.shape
    if not pyramid or radius < 0:
        raise ValueError(
            f"correlation_lookup: got {len(pyramid)} levels and radius {radius}; at least 1 and 0 are needed"
        )
    for level in pyramid:
        check("correlation_lookup", coords=(coords, (None,) * 4), level=(level, (batch, height * width, None, None)))
    dtype = accumulator(pyramid[0])
    run = _forward if has_kernels(*pyramid, coords) else reference
    levels: list[Tensor] = [
        run(volume.to(dtype), coords.to(dtype) / 2**level, radius) for level, volume in enumerate(pyramid)
    ]
    return torch.cat(levels, 1).to(pyramid[0].dtype)


def reference(volume: Tensor, coords: Tensor, radius: int) -> Tensor:
    """One level of `correlation_lookup` in plain torch, around ``coords`` in pixels of this level."""
    batch, _, height, width = coords.shape
    size = (volume.shape[2], volume.shape[3])
    maps = volume.reshape(batch * height * width, 1, *size)
    x = position(coords[:, 0], size[1], radius + 2).reshape(-1, 1, 1)
    y = position(coords[:, 1], size[0], radius + 2).reshape(-1, 1, 1)
    left, top = x.floor(), y.floor()
    steps = torch.arange(-radius, radius + 2, device=coords.device, dtype=coords.dtype)
    # One integer window serves all taps: they share their fractions.
    columns, rows = left + steps[:, None], top + steps
    columns, rows = columns.expand(-1, -1, len(steps)), rows.expand(-1, len(steps), -1)
    window = gather(maps, columns, rows)[:, 0] * inside(columns, rows, size)
    fx, fy = x - left, y - top
    window = window[:, :-1] * (1 - fx) + window[:, 1:] * fx
    window = window[:, :, :-1] * (1 - fy) + window[:, :, 1:] * fy
    return window.reshape(batch, height, width, (2 * radius + 1) ** 2).permute(0, 3, 1, 2).contiguous()


def _sizes(volume: Tensor, coords: Tensor, radius: int) -> tuple[int, ...]:
    return (*coords.shape[2:], *volume.shape[2:], radius)


@operator("correlation_lookup")
def _forward(volume: Tensor, coords: Tensor, radius: int) -> Tensor:
    volume, coords = volume.contiguous(), coords.contiguous()
    output = volume.new_empty(coords.shape[0], (2 * radius + 1) ** 2, *coords.shape[2:])
    extent = Extent(coords.shape[0], *coords.shape[2:])
    sizes = _sizes(volume, coords, radius)
    launch("correlation_lookup", extent, volume, coords, None, output, None, None, *sizes, dtype=volume.dtype)
    return output


@fake(_forward)
def _(volume: Tensor, coords: Tensor, radius: int) -> Tensor:
    return volume.new_empty(coords.shape[0], (2 * radius + 1) ** 2, *coords.shape[2:])


@gradient("correlation_lookup_grad")
def _grad(grad: Tensor, volume: Tensor, coords: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    grad, volume, coords = grad.contiguous(), volume.contiguous(), coords.contiguous()
    grads = torch.zeros_like(volume), torch.empty_like(coords)
    extent = Extent(coords.shape[0], *coords.shape[2:])
    sizes = _sizes(volume, coords, radius)
    launch("correlation_lookup_grad", extent, volume, coords, grad, None, *grads, *sizes, dtype=volume.dtype)
    return grads


@fake(_grad)
def _(grad: Tensor, volume: Tensor, coords: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    return volume.new_empty(volume.shape), coords.new_empty(coords.shape)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    volume, coords, ctx.radius = inputs
    ctx.save_for_backward(volume, coords)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    return (*_grad(grad, *ctx.saved_tensors, ctx.radius), None)


torch.library.register_autograd(_forward, _backward, setup_context=_setup)
