"""Modulated deformable convolution (DCNv2): taps with free offsets and a weight of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from vsvfi.ops._common import accumulator, check, gather, inside
from vsvfi.ops._launch import Extent, has_kernels, launch, storage
from vsvfi.ops._operator import fake, gradient, operator

__all__ = ["deform_conv2d", "reference"]


def deform_conv2d(
    image: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> Tensor:
    """Convolve with taps that are moved by ``offset`` and scaled by ``mask`` (Zhu et al., arXiv 1811.11168).

    The channels of the image form ``G`` equal blocks, each with offsets and masks of its own; ``G`` follows from the
    shape of ``offset``. Tap ``k`` of block ``g`` is moved by channel ``g * 2K + 2k`` (y) and ``g * 2K + 2k + 1`` (x).

    Args:
        image: ``(N, C, H, W)``.
        offset: ``(N, G * 2 * kh * kw, Ho, Wo)`` in pixels.
        mask: ``(N, G * kh * kw, Ho, Wo)``, used as it is (no sigmoid).
        weight: ``(Co, C, kh, kw)``.
        bias: ``(Co,)`` or None.
        stride: Pixels between output positions.
        padding: Pixels of zeros on each side.
        dilation: Pixels between taps.

    Returns:
        ``(N, Co, Ho, Wo)`` of the image's type, ``Ho = (H + 2 padding - dilation (kh - 1) - 1) // stride + 1``. Samples
        are bilinear with zeros outside; a position that is NaN or a pixel or more outside gives 0.

    Raises:
        TypeError: a tensor is not of a floating-point type.
        ValueError: shapes or devices do not fit together, or the kernel does not fit the image.
    """
    name = "deform_conv2d"
    check(name, image=(image, (None,) * 4))
    check(name, image=(image, (None,) * 4), weight=(weight, (None, image.shape[1], None, None)))
    batch, channels, height, width = image.shape
    kernel = (weight.shape[2], weight.shape[3])
    taps = kernel[0] * kernel[1]
    if stride < 1 or dilation < 1 or padding < 0 or taps < 1:
        raise ValueError(
            f"{name}: stride, dilation and the kernel must be at least 1 and padding 0, "
            f"got {stride}, {dilation}, {kernel} and {padding}"
        )
    size = tuple(
        (length + 2 * padding - dilation * (k - 1) - 1) // stride + 1
        for length, k in zip((height, width), kernel, strict=True)
    )
    if min(size) < 1:
        raise ValueError(f"{name}: a kernel of {kernel} does not fit an image of {height} x {width}")
    check(name, image=(image, (None,) * 4), mask=(mask, (batch, None, *size)))
    groups = mask.shape[1] // taps
    if groups < 1 or groups * taps != mask.shape[1] or channels % groups:
        raise ValueError(
            f"{name}: mask must have G * {taps} channels, G a divisor of the image's {channels}, got {mask.shape[1]}"
        )
    check(
        name,
        image=(image, (None,) * 4),
        offset=(offset, (batch, groups * 2 * taps, *size)),
        **({} if bias is None else {"bias": (bias, (weight.shape[0],))}),
    )
    if has_kernels(image, offset, mask, weight):
        dtype, wide = storage(image), accumulator(image)
        inputs = (image.to(dtype), offset.to(wide), mask.to(wide), weight.to(dtype))
        output: Tensor = _forward(*inputs, stride, padding, dilation).to(image.dtype)
    else:
        output = reference(image, offset, mask, weight, stride, padding, dilation)
    return output if bias is None else output + bias.to(output.dtype)[:, None, None]


def reference(
    image: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, stride: int, padding: int, dilation: int
) -> Tensor:
    """`deform_conv2d` without bias in plain torch."""
    dtype = accumulator(image)
    batch, _, height, width = image.shape
    kernel_width = weight.shape[3]
    taps = weight.shape[2] * kernel_width
    groups = mask.shape[1] // taps
    # Groups become samples of a larger batch: each has its own positions.
    values = image.to(dtype).reshape(batch * groups, -1, height, width)
    offsets = offset.to(dtype).reshape(batch * groups, taps, 2, *offset.shape[2:])
    masks = mask.to(dtype).reshape(batch * groups, taps, *mask.shape[2:])
    rows = torch.arange(mask.shape[2], device=image.device, dtype=dtype)[:, None] * stride - padding
    columns = torch.arange(mask.shape[3], device=image.device, dtype=dtype) * stride - padding
    output = values.new_zeros(())
    for tap in range(taps):
        y = rows + tap // kernel_width * dilation + offsets[:, tap, 0]
        x = columns + tap % kernel_width * dilation + offsets[:, tap, 1]
        valid = (y > -1) & (x > -1) & (y < height) & (x < width)
        y, x = torch.where(valid, y, 0), torch.where(valid, x, 0)
        top, left = y.floor(), x.floor()
        sample = values.new_zeros(())
        for row, weight_y in ((top, 1 - (y - top)), (top + 1, y - top)):
            for column, weight_x in ((left, 1 - (x - left)), (left + 1, x - left)):
                good = valid & inside(column, row, (height, width))
                sample = sample + gather(values, column, row) * (weight_y * weight_x * good)[:, None]
        column_values = (sample * masks[:, tap, None]).reshape(batch, -1, *mask.shape[2:])
        matrix = weight.to(dtype)[:, :, tap // kernel_width, tap % kernel_width]
        output = output + torch.einsum("oc,nchw->nohw", matrix, column_values)
    return output.to(image.dtype)


COLUMNS_BYTES = 2**26
"""How much memory the samples of one tile of the output may take."""


def _tiles(image: Tensor, mask: Tensor, weight: Tensor) -> Iterator[tuple[int, int, int]]:
    """Sample, first row and number of rows of each tile of the output."""
    row_bytes = image.shape[1] * weight.shape[2] * weight.shape[3] * mask.shape[3] * image.element_size()
    rows = max(1, COLUMNS_BYTES // max(row_bytes, 1))
    for sample in range(image.shape[0]):
        for first in range(0, mask.shape[2], rows):
            yield sample, first, min(rows, mask.shape[2] - first)


def _sizes(image: Tensor, mask: Tensor, weight: Tensor, rows: tuple[int, int], steps: list[int]) -> tuple[int, ...]:
    groups = mask.shape[1] // (weight.shape[2] * weight.shape[3])
    return (*image.shape[1:], *mask.shape[2:], *rows, *weight.shape[2:], groups, *steps)


@operator("deform_conv2d")
def _forward(
    image: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, stride: int, padding: int, dilation: int
) -> Tensor:
    image, offset, mask, weight = (tensor.contiguous() for tensor in (image, offset, mask, weight))
    output = image.new_empty(image.shape[0], weight.shape[0], *mask.shape[2:])
    matrix = weight.flatten(1)
    width = mask.shape[3]
    for sample, first, rows in _tiles(image, mask, weight):
        columns = image.new_empty(matrix.shape[1], rows * width)
        sizes = _sizes(image, mask, weight, (first, rows), [stride, padding, dilation])
        inputs = image[sample], offset[sample], mask[sample]
        launch(
            "deform_conv2d_columns",
            Extent(1, rows, width),
            *inputs,
            columns,
            None,
            None,
            None,
            *sizes,
            dtype=image.dtype,
        )
        output[sample, :, first : first + rows] = (matrix @ columns).reshape(-1, rows, width)
    return output


@fake(_forward)
def _(image: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, stride: int, padding: int, dilation: int) -> Tensor:
    return image.new_empty(image.shape[0], weight.shape[0], *mask.shape[2:])


@gradient("deform_conv2d_grad")
def _grad(
    grad: Tensor,
    image: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    stride: int,
    padding: int,
    dilation: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    image, offset, mask, weight = (tensor.contiguous() for tensor in (image, offset, mask, weight))
    matrix = weight.flatten(1)
    grad_image, grad_offset, grad_mask = offset.new_zeros(image.shape), torch.empty_like(offset), torch.empty_like(mask)
    grad_matrix = offset.new_zeros(matrix.shape)
    width = mask.shape[3]
    for sample, first, rows in _tiles(image, mask, weight):
        columns = image.new_empty(matrix.shape[1], rows * width)
        sizes = _sizes(image, mask, weight, (first, rows), [stride, padding, dilation])
        inputs = image[sample], offset[sample], mask[sample]
        grads = grad_image[sample], grad_offset[sample], grad_mask[sample]
        extent = Extent(1, rows, width)
        launch("deform_conv2d_columns", extent, *inputs, columns, None, None, None, *sizes, dtype=image.dtype)
        grad_tile = grad[sample, :, first : first + rows].flatten(1)
        grad_matrix += grad_tile @ columns.T
        torch.mm(matrix.T, grad_tile, out=columns)
        launch("deform_conv2d_grad_offset", extent, *inputs, columns, *grads, *sizes, dtype=image.dtype)
        extent = extent._replace(target_height=image.shape[2])
        launch("deform_conv2d_grad_image", extent, *inputs, columns, *grads, *sizes, dtype=image.dtype)
    return grad_image.to(image.dtype), grad_offset, grad_mask, grad_matrix.reshape(weight.shape).to(weight.dtype)


@fake(_grad)
def _(
    grad: Tensor,
    image: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    stride: int,
    padding: int,
    dilation: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    image_like, offset_like = image.new_empty(image.shape), offset.new_empty(offset.shape)
    return image_like, offset_like, mask.new_empty(mask.shape), weight.new_empty(weight.shape)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:4])
    ctx.steps = inputs[4:]


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    return (*_grad(grad, *ctx.saved_tensors, *ctx.steps), None, None, None)


torch.library.register_autograd(_forward, _backward, setup_context=_setup)
