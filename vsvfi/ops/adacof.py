"""Adaptive collaboration of flows: every output pixel gathers K x K freely placed, weighted samples."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from vsvfi.ops._common import accumulator, check, gather
from vsvfi.ops._launch import Extent, has_kernels, launch, storage
from vsvfi.ops._operator import fake, gradient, operator

__all__ = ["adacof", "reference"]


def adacof(image: Tensor, weight: Tensor, offset_y: Tensor, offset_x: Tensor, *, dilation: int = 1) -> Tensor:
    """Sum over ``K x K`` taps of weight times the image at the tap's place plus its offset (Lee et al., CVPR 2020).

    Tap ``(k, l)`` (channel ``k * K + l``) of pixel ``(y, x)`` samples the padded image at
    ``(y + k * dilation + offset_y, x + l * dilation + offset_x)``. As in the published kernels, on which the networks
    were trained, an offset is split by truncation towards zero, so that negative fractions extrapolate from the two
    pixels beyond; indices are clamped to the padded image one by one.

    Args:
        image: ``(N, C, H + (K - 1) * dilation, W + (K - 1) * dilation)``, padded by the caller.
        weight: ``(N, K * K, H, W)``, used as it is.
        offset_y: ``(N, K * K, H, W)`` in pixels; NaN counts as 0.
        offset_x: ``(N, K * K, H, W)`` in pixels; NaN counts as 0.
        dilation: The distance of neighbouring taps in pixels.

    Returns:
        ``(N, C, H, W)`` of the image's type. The gradient to the image is exact (the published kernel has none).

    Raises:
        TypeError: a tensor is not of a floating-point type.
        ValueError: shapes or devices do not fit together, or there are no taps.
    """
    check("adacof", image=(image, (None, None, None, None)))
    batch, channels, height, width = image.shape
    check("adacof", image=(image, (None, None, None, None)), weight=(weight, (batch, None, None, None)))
    size = math.isqrt(weight.shape[1])
    if size < 1 or size * size != weight.shape[1]:
        raise ValueError(f"adacof: weight must have K * K channels, K at least 1, got {weight.shape[1]}")
    if dilation < 1:
        raise ValueError(f"adacof: dilation must be at least 1, got {dilation}")
    shape = weight.shape
    border = (size - 1) * dilation
    check(
        "adacof",
        image=(image, (batch, channels, shape[2] + border, shape[3] + border)),
        weight=(weight, (batch, size * size, height - border, width - border)),
        offset_y=(offset_y, tuple(shape)),
        offset_x=(offset_x, tuple(shape)),
    )
    if not has_kernels(image, weight, offset_y, offset_x):
        return reference(image, weight, offset_y, offset_x, dilation)
    dtype, wide = storage(image, weight), accumulator(image)
    output: Tensor = _forward(image.to(dtype), weight.to(dtype), offset_y.to(wide), offset_x.to(wide), dilation)
    return output.to(image.dtype)


def reference(image: Tensor, weight: Tensor, offset_y: Tensor, offset_x: Tensor, dilation: int) -> Tensor:
    """`adacof` in plain torch."""
    dtype = accumulator(image)
    size = math.isqrt(weight.shape[1])
    height, width = image.shape[2:]
    values = image.to(dtype)
    rows = image.new_tensor(range(weight.shape[2]), dtype=dtype)[:, None]
    columns = image.new_tensor(range(weight.shape[3]), dtype=dtype)
    output = values.new_zeros(())
    for tap in range(size * size):
        # Clamped so that a huge offset fits an integer: beyond the image's size all corners are one border pixel.
        dy = offset_y[:, tap].to(dtype).nan_to_num(0).clamp(-2 * height, 2 * height)
        dx = offset_x[:, tap].to(dtype).nan_to_num(0).clamp(-2 * width, 2 * width)
        whole_y, whole_x = dy.trunc(), dx.trunc()
        fy, fx = (dy - whole_y)[:, None], (dx - whole_x)[:, None]
        y = rows + (tap // size * dilation) + whole_y
        x = columns + (tap % size * dilation) + whole_x
        top = gather(values, x, y) * (1 - fx) + gather(values, x + 1, y) * fx
        bottom = gather(values, x, y + 1) * (1 - fx) + gather(values, x + 1, y + 1) * fx
        output = output + weight[:, tap, None].to(dtype) * (top * (1 - fy) + bottom * fy)
    return output.to(image.dtype)


def _sizes(image_size: tuple[int, ...], weight: Tensor, dilation: int) -> tuple[int, ...]:
    return (*image_size[1:], *weight.shape[2:], math.isqrt(weight.shape[1]), dilation)


def _extent(weight: Tensor) -> Extent:
    return Extent(weight.shape[0], weight.shape[2], weight.shape[3])


@operator("adacof")
def _forward(image: Tensor, weight: Tensor, offset_y: Tensor, offset_x: Tensor, dilation: int) -> Tensor:
    inputs = [tensor.contiguous() for tensor in (image, weight, offset_y, offset_x)]
    output = image.new_empty(*image.shape[:2], *weight.shape[2:])
    sizes = _sizes(image.shape, weight, dilation)
    launch("adacof", _extent(weight), *inputs, None, output, None, None, None, *sizes, dtype=image.dtype)
    return output


@fake(_forward)
def _(image: Tensor, weight: Tensor, offset_y: Tensor, offset_x: Tensor, dilation: int) -> Tensor:
    return image.new_empty(*image.shape[:2], *weight.shape[2:])


@gradient("adacof_grad")
def _grad(
    grad: Tensor, image: Tensor, weight: Tensor, offset_y: Tensor, offset_x: Tensor, dilation: int
) -> tuple[Tensor, Tensor, Tensor]:
    inputs = [tensor.contiguous() for tensor in (image, weight, offset_y, offset_x, grad)]
    grads = [offset_y.new_empty(weight.shape) for _ in range(3)]
    sizes = _sizes(image.shape, weight, dilation)
    launch("adacof_grad", _extent(weight), *inputs, None, *grads, *sizes, dtype=image.dtype)
    return grads[0].to(weight.dtype), grads[1], grads[2]


@fake(_grad)
def _(
    grad: Tensor, image: Tensor, weight: Tensor, offset_y: Tensor, offset_x: Tensor, dilation: int
) -> tuple[Tensor, Tensor, Tensor]:
    return weight.new_empty(weight.shape), offset_y.new_empty(weight.shape), offset_x.new_empty(weight.shape)


@gradient("adacof_grad_image")
def _grad_image(grad: Tensor, weight: Tensor, offset_y: Tensor, offset_x: Tensor, dilation: int) -> Tensor:
    weight, offset_y, offset_x, grad = (tensor.contiguous() for tensor in (weight, offset_y, offset_x, grad))
    border = (math.isqrt(weight.shape[1]) - 1) * dilation
    size = (*grad.shape[:2], grad.shape[2] + border, grad.shape[3] + border)
    output = offset_y.new_zeros(size)
    launch(
        "adacof_grad_image", _extent(weight)._replace(target_height=size[2]), None, weight, offset_y, offset_x, grad,
        output, None, None, None, *_sizes(size, weight, dilation), dtype=grad.dtype,
    )  # fmt: skip
    return output.to(grad.dtype)


@fake(_grad_image)
def _(grad: Tensor, weight: Tensor, offset_y: Tensor, offset_x: Tensor, dilation: int) -> Tensor:
    border = (math.isqrt(weight.shape[1]) - 1) * dilation
    return grad.new_empty(*grad.shape[:2], grad.shape[2] + border, grad.shape[3] + border)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:4])
    ctx.dilation = inputs[4]


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    saved = ctx.saved_tensors
    grad_image = _grad_image(grad, *saved[1:], ctx.dilation) if ctx.needs_input_grad[0] else None
    if any(ctx.needs_input_grad[1:4]):
        return (grad_image, *_grad(grad, *saved, ctx.dilation), None)
    return grad_image, None, None, None, None


torch.library.register_autograd(_forward, _backward, setup_context=_setup)
