"""BMBC's bilateral cost volume: matching costs of symmetric motions through a pixel of the new frame."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from vsvfi.ops._common import accumulator, check
from vsvfi.ops._launch import Extent, has_kernels, launch
from vsvfi.ops._operator import fake, gradient, operator
from vsvfi.ops.backward_warp import reference as sample

__all__ = ["bilateral_cost_volume", "reference"]

EPSILON = 1e-6
THRESHOLD = 0.999


def bilateral_cost_volume(first: Tensor, second: Tensor, motion: Tensor, *, timestep: float, radius: int) -> Tensor:
    """The inner products of two normalised feature maps along bilateral motions (Park et al., arXiv 2007.12622).

    For every ``d = (dx, dy)`` up to ``radius`` (``dx`` fastest): the first map at ``p - 2 t (V + d)`` times the second
    at ``p + 2 (1 - t) (V + d)``, summed over channels. At ``t = 0`` the first, at ``t = 1`` the second is not sampled.
    Samples whose bilinear weights inside the image sum to less than 0.999 count as 0, and sampling is that of
    `backward_warp` with ``align_corners=False``, on which the published network was trained.

    Args:
        first: ``(N, C, H, W)``; divided by its norm over the channels here.
        second: ``(N, C, H, W)``; likewise.
        motion: ``(N, 2, H, W)`` in pixels of these maps, channel 0 = x, 1 = y; what is not finite lies outside.
        timestep: From 0 to 1.
        radius: The largest displacement.

    Returns:
        ``(N, (2 * radius + 1) ** 2, H, W)`` of the first's type.

    Raises:
        TypeError: a tensor is not of a floating-point type.
        ValueError: shapes or devices do not fit together, or the timestep or the radius is out of range.
    """
    check("bilateral_cost_volume", first=(first, (None, None, None, None)))
    batch, channels, height, width = first.shape
    check(
        "bilateral_cost_volume",
        first=(first, (batch, channels, height, width)),
        second=(second, (batch, channels, height, width)),
        motion=(motion, (batch, 2, height, width)),
    )
    if not 0 <= timestep <= 1 or radius < 0:
        raise ValueError(
            f"bilateral_cost_volume: timestep must be from 0 to 1 and radius at least 0, got {timestep} and {radius}"
        )
    dtype = accumulator(first)
    normalised = [map_.to(dtype) for map_ in (first, second)]
    normalised = [map_ / (map_.square().sum(1, keepdim=True) + EPSILON).sqrt() for map_ in normalised]
    run = _forward if has_kernels(*normalised, motion) else reference
    volume: Tensor = run(normalised[0], normalised[1], motion.to(dtype), float(timestep), radius)
    return volume.to(first.dtype)


def reference(first: Tensor, second: Tensor, motion: Tensor, timestep: float, radius: int) -> Tensor:
    """`bilateral_cost_volume` of maps that are normalised already, in plain torch."""
    planes = []
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            moved = motion + motion.new_tensor([dx, dy])[:, None, None]
            a = first if timestep == 0 else _sample(first, moved * (-2 * timestep))
            b = second if timestep == 1 else _sample(second, moved * (2 * (1 - timestep)))
            planes.append((a * b).sum(1))
    return torch.stack(planes, 1)


def _sample(features: Tensor, flow: Tensor) -> Tensor:
    ones = torch.ones_like(features[:, :1])
    mask = sample(ones, flow.detach(), "bilinear", "zeros", False) >= THRESHOLD
    return sample(features, flow, "bilinear", "replicate", False) * mask


def _run(
    kernel: str,
    inputs: tuple[Tensor, Tensor, Tensor],
    grad: Tensor | None,
    output: Tensor,
    timestep: float,
    radius: int,
    *,
    scatter: bool = False,
    variant: int = 0,
) -> None:
    first, second, motion = (tensor.contiguous() for tensor in inputs)
    batch, channels, height, width = first.shape
    launch(
        kernel, Extent(batch, height, width, height if scatter else 0), first, second, motion,
        None if grad is None else grad.contiguous(), output, channels, height, width, radius,
        -2.0 * timestep, 2.0 * (1.0 - timestep), dtype=first.dtype, variant=variant,
    )  # fmt: skip


@operator("bilateral_cost_volume")
def _forward(first: Tensor, second: Tensor, motion: Tensor, timestep: float, radius: int) -> Tensor:
    output = first.new_empty(first.shape[0], (2 * radius + 1) ** 2, *first.shape[2:])
    _run("bilateral_cost_volume", (first, second, motion), None, output, timestep, radius)
    return output


@fake(_forward)
def _(first: Tensor, second: Tensor, motion: Tensor, timestep: float, radius: int) -> Tensor:
    return first.new_empty(first.shape[0], (2 * radius + 1) ** 2, *first.shape[2:])


@gradient("bilateral_cost_volume_grad")
def _grad(
    grad: Tensor, first: Tensor, second: Tensor, motion: Tensor, timestep: float, radius: int
) -> tuple[Tensor, Tensor, Tensor]:
    inputs = (first, second, motion)
    grads = [first.new_zeros(tensor.shape) for tensor in inputs]
    for which in range(2):
        _run(
            "bilateral_cost_volume_grad_map", inputs, grad, grads[which], timestep, radius, scatter=True, variant=which
        )
    _run("bilateral_cost_volume_grad_motion", inputs, grad, grads[2], timestep, radius)
    return grads[0], grads[1], grads[2]


@fake(_grad)
def _(
    grad: Tensor, first: Tensor, second: Tensor, motion: Tensor, timestep: float, radius: int
) -> tuple[Tensor, Tensor, Tensor]:
    return first.new_empty(first.shape), second.new_empty(second.shape), motion.new_empty(motion.shape)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:3])
    ctx.timestep, ctx.radius = inputs[3:]


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    return (*_grad(grad, *ctx.saved_tensors, ctx.timestep, ctx.radius), None, None)


torch.library.register_autograd(_forward, _backward, setup_context=_setup)
