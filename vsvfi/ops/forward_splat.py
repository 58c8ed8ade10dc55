"""Forward splatting: each input pixel is spread over the four pixels around where its flow vector points."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from vsvfi.ops._common import accumulator, check, inside, shift
from vsvfi.ops._launch import Extent, has_kernels, launch, storage
from vsvfi.ops._operator import fake, gradient, operator

__all__ = ["forward_splat", "reference"]

type Mode = Literal["sum", "average", "linear", "softmax"]
type Epsilon = Literal["add", "zero", "clip"]

MODES = ("sum", "average", "linear", "softmax")
EPSILONS = ("add", "zero", "clip")


def forward_splat(
    image: Tensor,
    flow: Tensor,
    *,
    mode: Mode = "sum",
    metric: Tensor | None = None,
    epsilon: Epsilon = "add",
    deterministic: bool | None = None,
) -> Tensor:
    """Move every pixel ``(x, y)`` of ``image`` to ``(x + flow_x, y + flow_y)`` (Niklaus and Liu, arXiv 2003.05534).

    Args:
        image: ``(N, C, H, W)``, any values.
        flow: ``(N, 2, H, W)`` in pixels, channel 0 = x, 1 = y; used in float32 (float64 with a float64 image). A pixel
            whose vector is not finite is dropped, as are the parts that leave the image.
        mode: How pixels that meet are combined: their ``"sum"``, their mean by bilinear weight (``"average"``), that
            mean weighted by ``metric`` (``"linear"``), or by ``exp(metric)`` (``"softmax"``, no maximum subtracted).
        metric: ``(N, 1, H, W)``: the importance of each pixel, for the modes linear and softmax only.
        epsilon: What keeps the division from 0: 1e-7 added to the weights' sum (``"add"``), a sum of exactly 0
            replaced by 1 (``"zero"``), or a sum clamped to at least 1e-7 (``"clip"``).
        deterministic: Same bits on every run. None: always on the CPU (where it takes no longer), and elsewhere when
            ``torch.use_deterministic_algorithms`` is on.

    Returns:
        ``(N, C, H, W)`` of the image's type; 0 where nothing arrived.

    Raises:
        TypeError: a tensor is not of a floating-point type.
        ValueError: shapes or devices do not fit together, or mode and metric do not.
    """
    if mode not in MODES or epsilon not in EPSILONS:
        raise ValueError(
            f"forward_splat: mode must be one of {MODES}, epsilon of {EPSILONS}, got {mode!r}, {epsilon!r}"
        )
    if (metric is not None) != (mode in ("linear", "softmax")):
        raise ValueError(f"forward_splat: mode {mode!r} {'takes no' if metric is not None else 'needs a'} metric")
    check("forward_splat", image=(image, (None, None, None, None)))
    batch, _, height, width = image.shape
    check(
        "forward_splat",
        image=(image, (None, None, None, None)),
        flow=(flow, (batch, 2, height, width)),
        **({} if metric is None else {"metric": (metric, (batch, 1, height, width))}),
    )
    dtype = accumulator(image)
    flow, metric = flow.to(dtype), None if metric is None else metric.to(dtype)
    if deterministic is None:
        deterministic = image.device.type == "cpu" or torch.are_deterministic_algorithms_enabled()
    if has_kernels(image, flow, metric):
        rule = -1 if mode == "sum" else EPSILONS.index(epsilon)
        splatted: Tensor = _forward(image.to(storage(image)), flow, metric, mode == "softmax", rule, deterministic)[0]
        return splatted.to(image.dtype)
    if deterministic and image.device.type != "cpu":
        raise RuntimeError("forward_splat: without compiled kernels, deterministic results are had on the CPU only")
    weight = metric.exp() if metric is not None and mode == "softmax" else metric
    return reference(image, flow, weight, None if mode == "sum" else epsilon)


def reference(image: Tensor, flow: Tensor, weight: Tensor | None, epsilon: Epsilon | None) -> Tensor:
    """`forward_splat` in plain torch: weighted splatting, divided by the splatted weights unless epsilon is None."""
    dtype = accumulator(image)
    batch, channels, height, width = image.shape
    x, y = shift(flow.to(dtype))
    finite = x.isfinite() & y.isfinite()
    x = torch.where(finite, x, -2.0).clamp(-2, width + 1)
    y = torch.where(finite, y, -2.0).clamp(-2, height + 1)
    left, top = x.floor(), y.floor()
    values = image.to(dtype)
    if weight is not None:
        values = values * weight
    if epsilon is not None:
        values = torch.cat([values, values.new_ones(batch, 1, height, width) if weight is None else weight], 1)
    output = torch.zeros_like(values).flatten(2)
    for column, weight_x in ((left, left + 1 - x), (left + 1, x - left)):
        for row, weight_y in ((top, top + 1 - y), (top + 1, y - top)):
            good = finite & inside(column, row, (height, width))
            part = torch.where(good[:, None], values * (weight_x * weight_y)[:, None], 0).flatten(2)
            index = torch.where(good, row * width + column, 0).long().flatten(1)[:, None]
            output = output.scatter_add(2, index.expand_as(part), part)
    output = output.reshape(values.shape)
    if epsilon is None:
        return output.to(image.dtype)
    total = output[:, channels:]
    if epsilon == "add":
        total = total + 1e-7
    elif epsilon == "zero":
        total = torch.where(total == 0, 1, total)
    else:
        total = total.clamp(min=1e-7)
    mean: Tensor = output[:, :channels] / total
    return mean.to(image.dtype)


def _run(
    kernel: str,
    image: Tensor,
    flow: Tensor,
    metric: Tensor | None,
    outputs: tuple[Tensor | None, Tensor | None],
    *,
    grads: tuple[Tensor | None, ...] = (None,) * 5,
    order: tuple[Tensor | None, Tensor | None] = (None, None),
    softmax: bool = False,
    scatter: bool = False,
    variant: int = 0,
) -> None:
    batch, channels, height, width = image.shape
    launch(
        kernel, Extent(batch, height, width, height if scatter else 0), image, flow, metric, *outputs, *grads, *order,
        channels, height, width, softmax, dtype=image.dtype, variant=variant,
    )  # fmt: skip


def _by_target(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Source pixels sorted by the cell that they land in, and where each cell's pixels start in that order.

    Cells are the squares between pixels, the ones beyond the left and upper border included.
    """
    batch, _, height, width = flow.shape
    x, y = shift(flow)
    good = (x >= -1) & (y >= -1) & (x < width) & (y < height)
    sample = torch.arange(batch, device=flow.device)[:, None, None] * ((height + 1) * (width + 1))
    cells = batch * (height + 1) * (width + 1)
    cell = (
        sample + (torch.where(good, y, 0).floor().long() + 1) * (width + 1) + torch.where(good, x, 0).floor().long() + 1
    )
    cell = torch.where(good, cell, cells).flatten()
    ordered, order = torch.sort(cell, stable=True)
    return order, torch.searchsorted(ordered, torch.arange(cells + 1, device=flow.device))


@operator("forward_splat")
def _forward(
    image: Tensor, flow: Tensor, metric: Tensor | None, softmax: bool, epsilon: int, deterministic: bool
) -> tuple[Tensor, Tensor]:
    image, flow = image.contiguous(), flow.contiguous()
    metric = None if metric is None else metric.contiguous()
    output = flow.new_zeros(image.shape)
    total = flow.new_zeros(image.shape[0], 1, *image.shape[2:]) if epsilon >= 0 else None
    if deterministic and image.device.type != "cpu":
        order = _by_target(flow)
        _run("forward_splat_gather", image, flow, metric, (output, total), order=order, softmax=softmax)
    else:
        _run("forward_splat", image, flow, metric, (output, total), softmax=softmax, scatter=True)
    if total is None:
        return output.to(image.dtype), flow.new_empty(0)
    _run("forward_splat_divide", image, flow, None, (output, total), variant=epsilon)
    return output.to(image.dtype), total


@fake(_forward)
def _(
    image: Tensor, flow: Tensor, metric: Tensor | None, softmax: bool, epsilon: int, deterministic: bool
) -> tuple[Tensor, Tensor]:
    total = flow.new_empty(0) if epsilon < 0 else flow.new_empty(image.shape[0], 1, *image.shape[2:])
    return image.new_empty(image.shape), total


@gradient("forward_splat_grad")
def _grad(
    grad: Tensor, grad_total: Tensor | None, image: Tensor, flow: Tensor, metric: Tensor | None, softmax: bool
) -> tuple[Tensor, Tensor, Tensor]:
    grad, image, flow = grad.contiguous(), image.contiguous(), flow.contiguous()
    grad_total = None if grad_total is None else grad_total.contiguous()
    metric = None if metric is None else metric.contiguous()
    grad_image, grad_flow = torch.empty_like(grad), torch.empty_like(flow)
    grad_metric = flow.new_empty(image.shape[0], 1, *image.shape[2:])
    grads = (grad, grad_total, grad_image, grad_flow, grad_metric)
    _run("forward_splat_grad", image, flow, metric, (None, None), grads=grads, softmax=softmax)
    return grad_image.to(image.dtype), grad_flow, grad_metric


@fake(_grad)
def _(
    grad: Tensor, grad_total: Tensor | None, image: Tensor, flow: Tensor, metric: Tensor | None, softmax: bool
) -> tuple[Tensor, Tensor, Tensor]:
    single = flow.new_empty(image.shape[0], 1, *image.shape[2:])
    return image.new_empty(image.shape), flow.new_empty(flow.shape), single


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    image, flow, metric, ctx.softmax, ctx.epsilon, _ = inputs
    ctx.save_for_backward(image, flow, metric, *output)


def _backward(ctx: Any, grad: Tensor, grad_total: Tensor) -> tuple[Tensor | None, ...]:
    del grad_total  # The splatted weights are not handed out.
    image, flow, metric, output, total = ctx.saved_tensors
    grad = grad.to(flow.dtype)
    to_total = None
    if ctx.epsilon >= 0:
        rule = EPSILONS[ctx.epsilon]
        divisor = {"add": total + 1e-7, "zero": torch.where(total == 0, 1, total), "clip": total.clamp(min=1e-7)}[rule]
        grad = grad / divisor
        to_total = -(grad * output).sum(1, keepdim=True)
        # Where a constant took the place of the sum, nothing flows to it.
        if rule == "zero":
            to_total = torch.where(total == 0, 0, to_total)
        elif rule == "clip":
            to_total = torch.where(total < 1e-7, 0, to_total)
    grad_image, grad_flow, grad_metric = _grad(grad, to_total, image, flow, metric, ctx.softmax)
    return grad_image, grad_flow, None if metric is None else grad_metric, None, None, None


torch.library.register_autograd(_forward, _backward, setup_context=_setup)
