"""Local correlation: the inner products of two feature maps over a square of displacements."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from vsvfi.ops._common import accumulator, check
from vsvfi.ops._launch import Extent, has_kernels, launch, storage
from vsvfi.ops._operator import fake, gradient, operator

__all__ = ["correlation", "reference"]


def correlation(
    first: Tensor, second: Tensor, *, radius: int = 4, stride: int = 1, padding: int | None = None
) -> Tensor:
    """The mean over channels of ``first[y, x] * second[y + dy, x + dx]``, 0 where that leaves the image.

    ``dy`` (slow) and ``dx`` (fast) run over the multiples of ``stride`` from ``-radius`` to ``radius``: PWC-Net's
    cost volume (arXiv 1709.02371) with the defaults, FlowNetC's (arXiv 1504.06852) with radius 20 and stride 2.

    Args:
        first: ``(N, C, H, W)``.
        second: ``(N, C, H, W)``.
        radius: The largest displacement in pixels.
        stride: The step between displacements in pixels.
        padding: At least ``radius`` (the default). Beyond it the output grows by ``padding - radius`` on each side, as
            FlowNet's layer does with its zero-padded inputs.

    Returns:
        ``(N, (2 * (radius // stride) + 1) ** 2, H + 2 * (padding - radius), ...)`` of the first's type, summed in
        float32 (float64 for float64).

    Raises:
        TypeError: a tensor is not of a floating-point type.
        ValueError: shapes or devices do not fit together, there are no channels, or ``padding`` is too small.
    """
    check("correlation", first=(first, (None, None, None, None)), second=(second, tuple(first.shape)))
    if radius < 0 or stride < 1:
        raise ValueError(f"correlation: radius must be at least 0 and stride 1, got {radius} and {stride}")
    if padding is not None and padding < radius:
        raise ValueError(f"correlation: padding must be at least the radius, {radius}, got {padding}")
    if first.shape[1] == 0:
        raise ValueError("correlation: first and second must have at least one channel, got 0")
    margin = 0 if padding is None else padding - radius
    if not has_kernels(first, second):
        return reference(first, second, radius, stride, margin)
    dtype = storage(first, second)
    volume: Tensor = _forward(first.to(dtype), second.to(dtype), radius // stride, stride, margin)
    return volume.to(first.dtype)


def reference(first: Tensor, second: Tensor, radius: int, stride: int, margin: int) -> Tensor:
    """`correlation` in plain torch; ``margin`` is how far the output reaches beyond the inputs."""
    dtype = accumulator(first)
    a = functional.pad(first.to(dtype), (margin,) * 4)
    height, width = a.shape[2:]
    steps = radius // stride
    reach = steps * stride
    b = functional.pad(second.to(dtype), (margin + reach,) * 4)
    shifts = range(0, 2 * reach + 1, stride)
    planes = [(a * b[:, :, dy : dy + height, dx : dx + width]).mean(1) for dy in shifts for dx in shifts]
    return torch.stack(planes, 1).to(first.dtype)


def _shape(first: Tensor, steps: int, margin: int) -> tuple[int, int, int, int]:
    return first.shape[0], (2 * steps + 1) ** 2, first.shape[2] + 2 * margin, first.shape[3] + 2 * margin


@operator("correlation")
def _forward(first: Tensor, second: Tensor, steps: int, stride: int, margin: int) -> Tensor:
    first, second = first.contiguous(), second.contiguous()
    output = first.new_empty(_shape(first, steps, margin))
    extent = Extent(output.shape[0], *output.shape[2:])
    sizes = (*first.shape[1:], steps, stride, margin)
    launch("correlation", extent, first, second, None, output, *sizes, dtype=first.dtype)
    return output


@fake(_forward)
def _(first: Tensor, second: Tensor, steps: int, stride: int, margin: int) -> Tensor:
    return first.new_empty(_shape(first, steps, margin))


@gradient("correlation_grad")
def _grad(grad: Tensor, first: Tensor, second: Tensor, steps: int, stride: int, margin: int) -> tuple[Tensor, Tensor]:
    grad, first, second = grad.contiguous(), first.contiguous(), second.contiguous()
    extent = Extent(first.shape[0], *first.shape[2:])
    sizes = (*first.shape[1:], steps, stride, margin)
    grads = [first.new_empty(first.shape, dtype=accumulator(first)) for _ in range(2)]
    for which, output in enumerate(grads):
        launch("correlation_grad", extent, first, second, grad, output, *sizes, dtype=first.dtype, variant=which)
    return grads[0].to(first.dtype), grads[1].to(first.dtype)


@fake(_grad)
def _(grad: Tensor, first: Tensor, second: Tensor, steps: int, stride: int, margin: int) -> tuple[Tensor, Tensor]:
    return first.new_empty(first.shape), second.new_empty(second.shape)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    first, second, *ctx.sizes = inputs
    ctx.save_for_backward(first, second)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    return (*_grad(grad, *ctx.saved_tensors, *ctx.sizes), None, None, None)


torch.library.register_autograd(_forward, _backward, setup_context=_setup)
