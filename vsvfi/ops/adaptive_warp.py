"""MEMC-Net's adaptive warping layer: a local kernel and bilinear coefficients around the flow's target."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from vsvfi.ops._common import accumulator, check, gather, shift
from vsvfi.ops._launch import Extent, has_kernels, launch, storage
from vsvfi.ops._operator import fake, gradient, operator

__all__ = ["adaptive_warp", "reference"]


def adaptive_warp(image: Tensor, flow: Tensor, kernels: Tensor) -> Tensor:
    """Warp ``image`` by ``flow``, filtering around each target with that pixel's own ``S x S`` kernel.

    The window of a target between columns ``l`` and ``l + 1`` spans ``l + 1 - S // 2`` and the ``S - 1`` columns
    right of it (rows likewise), clamped to the image. Its taps in one quadrant around the target share the
    quadrant's bilinear weight; nothing is normalised (Bao et al., MEMC-Net, TPAMI 2019, arXiv 1810.08768).

    Args:
        image: ``(N, C, H, W)``, any values.
        flow: ``(N, 2, H, W)`` in pixels, channel 0 = x, 1 = y; used in float32 (float64 with a float64 image).
        kernels: ``(N, S * S, H, W)``, channel = row * S + column.

    Returns:
        ``(N, C, H, W)`` of the image's type. A pixel whose target leaves the image, or whose flow is NaN or at least
        half the image's size, is a copy of the image at its own place; as in the published kernels, no gradient
        flows through such a pixel.

    Raises:
        TypeError: a tensor is not of a floating-point type.
        ValueError: shapes or devices do not fit together, or ``S`` is less than 2.
    """
    check("adaptive_warp", image=(image, (None, None, None, None)))
    batch, _, height, width = image.shape
    check(
        "adaptive_warp",
        image=(image, (None, None, None, None)),
        flow=(flow, (batch, 2, height, width)),
        kernels=(kernels, (batch, None, height, width)),
    )
    size = math.isqrt(kernels.shape[1])
    if size < 2 or size * size != kernels.shape[1]:
        raise ValueError(f"adaptive_warp: kernels must have S * S channels, S at least 2, got {kernels.shape[1]}")
    if not has_kernels(image, flow, kernels):
        return reference(image, flow, kernels)
    dtype = storage(image, kernels)
    warped: Tensor = _forward(image.to(dtype), flow.to(accumulator(image)), kernels.to(dtype))
    return warped.to(image.dtype)


def reference(image: Tensor, flow: Tensor, kernels: Tensor) -> Tensor:
    """`adaptive_warp` in plain torch."""
    dtype = accumulator(image)
    height, width = image.shape[2:]
    size = math.isqrt(kernels.shape[1])
    flow = flow.to(dtype)
    x, y = shift(flow)
    valid = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    valid &= (flow[:, 0].abs() < width / 2) & (flow[:, 1].abs() < height / 2)
    x, y = torch.where(valid, x, 0), torch.where(valid, y, 0)
    left, top = x.floor(), y.floor()
    alpha, beta = x - left, y - top
    values, taps = image.to(dtype), kernels.to(dtype)
    output = values.new_zeros(())
    for j in range(1 - size // 2, 1 - size // 2 + size):
        row_weight = 1 - beta if j <= 0 else beta
        for i in range(1 - size // 2, 1 - size // 2 + size):
            weight = row_weight * (1 - alpha if i <= 0 else alpha)
            tap = taps[:, (j - 1 + size // 2) * size + i - 1 + size // 2]
            output = output + gather(values, left + i, top + j) * (weight * tap)[:, None]
    return torch.where(valid[:, None], output.to(image.dtype), image.detach())


FIXED_SIZE = 4
"""The window that every published network uses has a kernel of its own."""


def _run(
    kernel: str, image: Tensor, flow: Tensor, kernels: Tensor, *outputs: Tensor | None, scatter: bool = False
) -> None:
    batch, channels, height, width = image.shape
    size = math.isqrt(kernels.shape[1])
    launch(
        kernel, Extent(batch, height, width, height if scatter else 0), image, flow, kernels, *outputs,
        channels, height, width, size, dtype=image.dtype, variant=size if size == FIXED_SIZE else 0,
    )  # fmt: skip


@operator("adaptive_warp")
def _forward(image: Tensor, flow: Tensor, kernels: Tensor) -> Tensor:
    image, flow, kernels = image.contiguous(), flow.contiguous(), kernels.contiguous()
    output = torch.empty_like(image)
    _run("adaptive_warp", image, flow, kernels, None, output, None)
    return output


@fake(_forward)
def _(image: Tensor, flow: Tensor, kernels: Tensor) -> Tensor:
    return torch.empty_like(image, memory_format=torch.contiguous_format)


@gradient("adaptive_warp_grad_kernels")
def _grad_kernels(grad: Tensor, image: Tensor, flow: Tensor, kernels: Tensor) -> tuple[Tensor, Tensor]:
    grad, image, flow, kernels = grad.contiguous(), image.contiguous(), flow.contiguous(), kernels.contiguous()
    grad_flow, grad_kernels = torch.empty_like(flow), flow.new_empty(kernels.shape)
    _run("adaptive_warp_grad_kernels", image, flow, kernels, grad, grad_flow, grad_kernels)
    return grad_flow, grad_kernels.to(kernels.dtype)


@fake(_grad_kernels)
def _(grad: Tensor, image: Tensor, flow: Tensor, kernels: Tensor) -> tuple[Tensor, Tensor]:
    return flow.new_empty(flow.shape), kernels.new_empty(kernels.shape)


@gradient("adaptive_warp_grad_image")
def _grad_image(grad: Tensor, flow: Tensor, kernels: Tensor) -> Tensor:
    grad, flow, kernels = grad.contiguous(), flow.contiguous(), kernels.contiguous()
    output = flow.new_zeros(grad.shape)
    _run("adaptive_warp_grad_image", grad, flow, kernels, grad, output, None, scatter=True)
    return output.to(grad.dtype)


@fake(_grad_image)
def _(grad: Tensor, flow: Tensor, kernels: Tensor) -> Tensor:
    return grad.new_empty(grad.shape)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    image, flow, kernels = ctx.saved_tensors
    grad_image = _grad_image(grad, flow, kernels) if ctx.needs_input_grad[0] else None
    if any(ctx.needs_input_grad[1:]):
        return (grad_image, *_grad_kernels(grad, image, flow, kernels))
    return grad_image, None, None


torch.library.register_autograd(_forward, _backward, setup_context=_setup)
