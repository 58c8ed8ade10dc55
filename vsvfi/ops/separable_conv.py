"""Separable local convolution: every output pixel has a vertical and a horizontal 1-D kernel of its own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from vsvfi.ops._common import accumulator, check
from vsvfi.ops._launch import Extent, has_kernels, launch, storage
from vsvfi.ops._operator import fake, gradient, operator

__all__ = ["reference", "separable_conv"]


def separable_conv(image: Tensor, vertical: Tensor, horizontal: Tensor) -> Tensor:
    """Sum over ``(j, i)`` of ``image[y + j, x + i] * vertical[j, y, x] * horizontal[i, y, x]``.

    Args:
        image: ``(N, C, H + V - 1, W + U - 1)``, padded by the caller; all channels share the kernels.
        vertical: ``(N, V, H, W)``.
        horizontal: ``(N, U, H, W)``.

    Returns:
        ``(N, C, H, W)`` of the image's type (Niklaus et al., ICCV 2017, arXiv 1708.01692). Nothing is normalised.

    Raises:
        TypeError: a tensor is not of a floating-point type.
        ValueError: shapes or devices do not fit together, or there are no taps.
    """
    check(
        "separable_conv",
        image=(image, (None, None, None, None)),
        vertical=(vertical, (image.shape[0], None, None, None)),
    )
    batch, taps, height, width = vertical.shape
    check("separable_conv", image=(image, (None,) * 4))
    check("separable_conv", image=(image, (None,) * 4), vertical=(vertical, (image.shape[0], None, None, None)))
    batch, taps, height, width = vertical.shape
    check("separable_conv", image=(image, (None,) * 4), horizontal=(horizontal, (batch, None, height, width)))
    if 0 in (taps, horizontal.shape[1]):
        raise ValueError("separable_conv: vertical and horizontal must have at least one tap, got 0")
    expected = (batch, None, height + taps - 1, width + horizontal.shape[1] - 1)
    check("separable_conv", image=(image, expected), vertical=(vertical, (None,) * 4))
    if not has_kernels(image, vertical, horizontal):
        return reference(image, vertical, horizontal)
    dtype = storage(image, vertical, horizontal)
    output: Tensor = _forward(image.to(dtype), vertical.to(dtype), horizontal.to(dtype))
    return output.to(image.dtype)


def reference(image: Tensor, vertical: Tensor, horizontal: Tensor) -> Tensor:
    """`separable_conv` in plain torch."""
    dtype = accumulator(image)
    height, width = vertical.shape[2:]
    # A column more than is used, so that there is a window where the output has no columns.
    windows = functional.pad(image.to(dtype), (0, 1)).unfold(3, horizontal.shape[1], 1)[:, :, :, :width]
    kernel = horizontal.to(dtype).permute(0, 2, 3, 1)[:, None]
    output = kernel.new_zeros(())
    for j in range(vertical.shape[1]):
        row = (windows[:, :, j : j + height] * kernel).sum(-1)
        output = output + row * vertical[:, j, None].to(dtype)
    return output.to(image.dtype)


def _sizes(vertical: Tensor, horizontal: Tensor, channels: int) -> tuple[int, ...]:
    return (channels, *vertical.shape[2:], vertical.shape[1], horizontal.shape[1])


@operator("separable_conv")
def _forward(image: Tensor, vertical: Tensor, horizontal: Tensor) -> Tensor:
    image, vertical, horizontal = image.contiguous(), vertical.contiguous(), horizontal.contiguous()
    output = image.new_empty(*image.shape[:2], *vertical.shape[2:])
    extent = Extent(image.shape[0], *vertical.shape[2:])
    sizes = _sizes(vertical, horizontal, image.shape[1])
    launch("separable_conv", extent, image, vertical, horizontal, None, output, *sizes, dtype=image.dtype)
    return output


@fake(_forward)
def _(image: Tensor, vertical: Tensor, horizontal: Tensor) -> Tensor:
    return image.new_empty(*image.shape[:2], *vertical.shape[2:])


@gradient("separable_conv_grad")
def _grad(grad: Tensor, image: Tensor, vertical: Tensor, horizontal: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    grad, image, vertical, horizontal = (tensor.contiguous() for tensor in (grad, image, vertical, horizontal))
    wide = accumulator(image)
    grads = [image.new_empty(tensor.shape, dtype=wide) for tensor in (image, vertical, horizontal)]
    extent = Extent(image.shape[0], *vertical.shape[2:])
    whole = Extent(image.shape[0], *image.shape[2:])
    sizes = _sizes(vertical, horizontal, image.shape[1])
    for kernel, size, output, variant in (
        ("separable_conv_grad_image", whole, grads[0], 0),
        ("separable_conv_grad_kernel", extent, grads[1], 0),
        ("separable_conv_grad_kernel", extent, grads[2], 1),
    ):
        launch(kernel, size, image, vertical, horizontal, grad, output, *sizes, dtype=image.dtype, variant=variant)
    return grads[0].to(image.dtype), grads[1].to(image.dtype), grads[2].to(image.dtype)


@fake(_grad)
def _(grad: Tensor, image: Tensor, vertical: Tensor, horizontal: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return image.new_empty(image.shape), image.new_empty(vertical.shape), image.new_empty(horizontal.shape)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
    grads: tuple[Tensor, ...] = _grad(grad, *ctx.saved_tensors)
    return grads


torch.library.register_autograd(_forward, _backward, setup_context=_setup)
