"""RAFT's all-pairs correlation: every pixel of one feature map against every pixel of the other, looked up locally."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from vsvfi.ops._common import accumulator, check, gather, inside, position
from vsvfi.ops._launch import Extent, has_kernels, launch
from vsvfi.ops._operator import fake, gradient, operator

__all__ = ["all_pairs_correlation", "correlation_lookup", "reference"]


def all_pairs_correlation(first: Tensor, second: Tensor, *, levels: int = 4, normalize: bool = True) -> list[Tensor]:
    """The inner products of all pairs of positions, and a pyramid of them over the second map (arXiv 2003.12039).

    Args:
        first: ``(N, C, H, W)``.
        second: ``(N, C, H2, W2)``.
        levels: How many levels, each half the size of the one before (2 x 2 means, rounded down).
        normalize: Divide by ``sqrt(C)``.

    Returns:
        ``levels`` tensors ``(N, H * W, H2 >> level, W2 >> level)`` in float32 (float64 for float64). The volume is
        as large as it sounds: 4.2 GB for 1080p features at an eighth of the size.

    Raises:
        TypeError: a tensor is not of a floating-point type.
        ValueError: shapes or devices do not fit together, or the second map is too small for the levels.
    """
    check("all_pairs_correlation", first=(first, (None, None, None, None)))
    check("all_pairs_correlation", first=(first, (None,) * 4), second=(second, (*first.shape[:2], None, None)))
    if levels < 1 or min(second.shape[2:]) >> (levels - 1) < 1:
        raise ValueError(
            f"all_pairs_correlation: {levels} levels do not fit features of {second.shape[2]} x {second.shape[3]}"
        )
    dtype = accumulator(first)
    with torch.autocast(first.device.type, enabled=False):
        volume = first.to(dtype).flatten(2).transpose(1, 2) @ second.to(dtype).flatten(2)
        if normalize:
            volume = volume / first.shape[1] ** 0.5
        pyramid = [volume.reshape(*volume.shape[:2], *second.shape[2:])]
        for _ in range(levels - 1):
            pyramid.append(functional.avg_pool2d(pyramid[-1], 2))
    return pyramid


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
