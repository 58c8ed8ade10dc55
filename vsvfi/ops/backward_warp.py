"""Backward warping: each output pixel is read from where its flow vector points."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from vsvfi.ops._common import accumulator, check, gather, inside, position, shift
from vsvfi.ops._launch import Extent, has_kernels, launch, storage
from vsvfi.ops._operator import fake, gradient, operator

__all__ = ["backward_warp", "reference"]

type Mode = Literal["bilinear", "bicubic"]
type Border = Literal["replicate", "zeros"]

MODES = {"bilinear": 2, "bicubic": 4}
"""The modes, and how many pixels each reads along an axis."""

BORDERS = ("replicate", "zeros")


def backward_warp(
    image: Tensor,
    flow: Tensor,
    *,
    mode: Mode = "bilinear",
    border: Border = "replicate",
    align_corners: bool = True,
) -> Tensor:
    """Sample ``image`` at ``(x + flow_x, y + flow_y)`` for every pixel ``(x, y)`` of ``flow``.

    Args:
        image: ``(N, C, Hi, Wi)``, any values.
        flow: ``(N, 2, H, W)`` in pixels of the image, channel 0 = x, 1 = y; used in float32 (float64 with a
            float64 image). A NaN counts as a position far beyond the left or upper border.
        mode: ``"bilinear"``, or ``"bicubic"`` (Keys' kernel with a = -0.75, as in torch).
        border: What lies outside the image: its border pixel repeated (``"replicate"``), or 0 (``"zeros"``).
        align_corners: True samples at exactly ``x + flow_x``. False reproduces a widespread mismatch on which
            checkpoints were trained: a grid that was normalised by ``W - 1`` and sampled as if by ``W``, which
            reads ``(x + flow_x) * W / (W - 1) - 0.5``, so that a zero flow is not the identity.

    Returns:
        ``(N, C, H, W)`` of the image's type.

    Raises:
        TypeError: a tensor is not of a floating-point type.
        ValueError: shapes or devices do not fit together, the image has no pixels, or there is no such mode.

    Gradients are those of the formula with ``floor`` held constant: at an exact integer the derivative is the one
    towards positive x and y.
    """
    if mode not in MODES or border not in BORDERS:
        raise ValueError(
            f"backward_warp: mode must be one of {tuple(MODES)} and border of {BORDERS}, got {mode!r}, {border!r}"
        )
    check("backward_warp", image=(image, (None,) * 4))
    check("backward_warp", image=(image, (None,) * 4), flow=(flow, (image.shape[0], 2, None, None)))
    if 0 in image.shape[2:]:
        raise ValueError(f"backward_warp: image must have pixels, got the shape {tuple(image.shape)}")
    if not has_kernels(image, flow):
        return reference(image, flow, mode, border, align_corners)
    dtype = storage(image)
    warped: Tensor = _forward(
        image.to(dtype), flow.to(accumulator(image)), MODES[mode], border == "zeros", align_corners
    )
    return warped.to(image.dtype)


def reference(image: Tensor, flow: Tensor, mode: Mode, border: Border, align_corners: bool) -> Tensor:
    """`backward_warp` in plain torch."""
    dtype = accumulator(image)
    height, width = image.shape[2:]
    x, y = shift(flow.to(dtype))
    if not align_corners:
        x = x * (width / max(width - 1, 1)) - 0.5
        y = y * (height / max(height - 1, 1)) - 0.5
    x, y = position(x, width, 3), position(y, height, 3)
    left, top = x.floor(), y.floor()
    weights_x, weights_y = _weights(x - left, mode), _weights(y - top, mode)
    first = 0 if mode == "bilinear" else -1
    values = image.to(dtype)
    output = values.new_zeros(())
    for j, weight_y in enumerate(weights_y, first):
        row = values.new_zeros(())
        for i, weight_x in enumerate(weights_x, first):
            sample = gather(values, left + i, top + j)
            weight = weight_x if border == "replicate" else weight_x * inside(left + i, top + j, (height, width))
            row = row + sample * weight[:, None]
        output = output + row * weight_y[:, None]
    return output.to(image.dtype)


def _weights(fraction: Tensor, mode: Mode) -> tuple[Tensor, ...]:
    """The weights of the 2 or 4 taps around a position, from its distance to the pixel on the left."""
    if mode == "bilinear":
        return 1 - fraction, fraction
    a = -0.75
    f, g = fraction, 1 - fraction
    return (
        ((a * (f + 1) - 5 * a) * (f + 1) + 8 * a) * (f + 1) - 4 * a,
        ((a + 2) * f - (a + 3)) * f * f + 1,
        ((a + 2) * g - (a + 3)) * g * g + 1,
        ((a * (g + 1) - 5 * a) * (g + 1) + 8 * a) * (g + 1) - 4 * a,
    )


def _sizes(image_size: tuple[int, ...], flow: Tensor) -> tuple[int, ...]:
    return (*image_size[1:], *flow.shape[2:])


def _extent(flow: Tensor) -> Extent:
    return Extent(flow.shape[0], flow.shape[2], flow.shape[3])


@operator("backward_warp")
def _forward(image: Tensor, flow: Tensor, taps: int, zeros: bool, aligned: bool) -> Tensor:
    image, flow = image.contiguous(), flow.contiguous()
    output = image.new_empty(*image.shape[:2], *flow.shape[2:])
    sizes = _sizes(image.shape, flow)
    launch(
        "backward_warp",
        _extent(flow),
        image,
        flow,
        None,
        output,
        *sizes,
        zeros,
        aligned,
        dtype=image.dtype,
        variant=taps,
    )
    return output


@fake(_forward)
def _(image: Tensor, flow: Tensor, taps: int, zeros: bool, aligned: bool) -> Tensor:
    return image.new_empty(*image.shape[:2], *flow.shape[2:])


@gradient("backward_warp_grad_flow")
def _grad_flow(grad: Tensor, image: Tensor, flow: Tensor, taps: int, zeros: bool, aligned: bool) -> Tensor:
    grad, image, flow = grad.contiguous(), image.contiguous(), flow.contiguous()
    output = torch.empty_like(flow)
    launch(
        "backward_warp_grad_flow", _extent(flow), image, flow, grad, output, *_sizes(image.shape, flow), zeros, aligned,
        dtype=image.dtype, variant=taps,
    )  # fmt: skip
    return output


@fake(_grad_flow)
def _(grad: Tensor, image: Tensor, flow: Tensor, taps: int, zeros: bool, aligned: bool) -> Tensor:
    return torch.empty_like(flow, memory_format=torch.contiguous_format)


@gradient("backward_warp_grad_image")
def _grad_image(grad: Tensor, flow: Tensor, height: int, width: int, taps: int, zeros: bool, aligned: bool) -> Tensor:
    grad, flow = grad.contiguous(), flow.contiguous()
    size = (*grad.shape[:2], height, width)
    output = flow.new_zeros(size)
    launch(
        "backward_warp_grad_image", _extent(flow)._replace(target_height=height), None, flow, grad, output,
        *_sizes(size, flow), zeros, aligned, dtype=grad.dtype, variant=taps,
    )  # fmt: skip
    return output.to(grad.dtype)


@fake(_grad_image)
def _(grad: Tensor, flow: Tensor, height: int, width: int, taps: int, zeros: bool, aligned: bool) -> Tensor:
    return grad.new_empty(*grad.shape[:2], height, width)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    image, flow, *ctx.options = inputs
    ctx.save_for_backward(image, flow)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    image, flow = ctx.saved_tensors
    grads: list[Tensor | None] = [None, None]
    if ctx.needs_input_grad[0]:
        grads[0] = _grad_image(grad, flow, image.shape[2], image.shape[3], *ctx.options)
    if ctx.needs_input_grad[1]:
        grads[1] = _grad_flow(grad, image, flow, *ctx.options)
    return (*grads, None, None, None)


torch.library.register_autograd(_forward, _backward, setup_context=_setup)
