"""Flow projection: from a flow at a source frame to the flow at the time it passes through, looking back."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from vsvfi.ops._common import accumulator, check, shift
from vsvfi.ops._launch import Extent, has_kernels, launch
from vsvfi.ops._operator import fake, gradient, operator

__all__ = ["Projection", "depth_flow_projection", "flow_projection", "reference"]


class Projection(NamedTuple):
    """A projected flow ``(N, 2, H, W)`` and what reached each of its pixels, ``(N, 1, H, W)``: 0 marks a hole."""

    flow: Tensor
    coverage: Tensor


def flow_projection(
    flow: Tensor, *, timestep: float = 1.0, fill_holes: bool = True, look_below: bool = True
) -> Projection:
    """Project ``timestep * flow`` to where it points, as the mean of the vectors that pass through each pixel.

    A vector is added, negated, to the four pixels around its target, without bilinear weights; vectors that leave
    the image are dropped. At the last column or row the four coincide in part and the vector counts twice there
    (Bao et al., MEMC-Net, TPAMI 2019, arXiv 1810.08768).

    Args:
        flow: ``(N, 2, H, W)`` in pixels, channel 0 = x, 1 = y, from a source frame to the other one. Vectors that are
            not finite reach nothing.
        timestep: The fraction of the flow's interval to project to.
        fill_holes: Give a pixel that nothing reached the mean of the nearest reached pixels to its left, right, above
            and below; where there is none, 0.
        look_below: False leaves the pixel below out, as MEMC-Net's published kernel does, by a bug that its
            networks were evaluated with.

    Returns:
        The flow from the new frame back to the source, and the number of vectors that reached each pixel, both in
        float32 (float64 for a float64 flow). Gradients ignore the filling of holes.

    Raises:
        TypeError: a tensor is not of a floating-point type.
        ValueError: the flow has not two channels.
    """
    check("flow_projection", flow=(flow, (None, 2, None, None)))
    return _project(flow, None, timestep, fill_holes, look_below)


def depth_flow_projection(
    flow: Tensor, weight: Tensor, *, timestep: float = 1.0, fill_holes: bool = True
) -> Projection:
    """As `flow_projection`, each vector weighted by ``weight`` at its source: near things hide far ones.

    Args:
        flow: ``(N, 2, H, W)`` in pixels.
        weight: ``(N, 1, H, W)``, positive; DAIN's inverse depth (Bao et al., CVPR 2019, arXiv 1904.00830).
        timestep: The fraction of the flow's interval to project to.
        fill_holes: As in `flow_projection`; the mean over directions is not weighted.

    Returns:
        The projected flow, and the sum of weights that reached each pixel. The gradient to ``weight`` is the exact
        one; the published kernel has the wrong sign there, which matters to training only.

    Raises:
        TypeError: a tensor is not of a floating-point type.
        ValueError: shapes or devices do not fit together.
    """
    check("depth_flow_projection", flow=(flow, (None, 2, None, None)))
    batch, _, height, width = flow.shape
    check(
        "depth_flow_projection",
        flow=(flow, (batch, 2, height, width)),
        weight=(weight, (batch, 1, height, width)),
    )
    return _project(flow, weight, timestep, fill_holes, True)


def _project(flow: Tensor, weight: Tensor | None, timestep: float, fill_holes: bool, look_below: bool) -> Projection:
    dtype = accumulator(flow)
    scaled = flow.to(dtype) if timestep == 1 else flow.to(dtype) * timestep
    weight = None if weight is None else weight.to(dtype)
    run = _forward if has_kernels(scaled, weight) else reference
    projected, coverage = run(scaled, weight, fill_holes, look_below)
    return Projection(projected, coverage.detach())


def reference(flow: Tensor, weight: Tensor | None, fill_holes: bool, look_below: bool) -> tuple[Tensor, Tensor]:
    """`depth_flow_projection` in plain torch; a weight of None is 1 everywhere."""
    batch, _, height, width = flow.shape
    weight = flow.new_ones(batch, 1, height, width) if weight is None else weight
    x, y = shift(flow)
    valid = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    left, top = torch.where(valid, x, 0).long(), torch.where(valid, y, 0).long()
    right, bottom = (left + 1).clamp(max=width - 1), (top + 1).clamp(max=height - 1)
    safe = torch.where(valid[:, None], flow, 0)
    weight = torch.where(valid[:, None], weight, 0)
    values = torch.cat([-safe * weight, weight], 1).flatten(2)
    sums = torch.zeros_like(values)
    for row in (top, bottom):
        for column in (left, right):
            index = (row * width + column).flatten(1)[:, None].expand(-1, 3, -1)
            sums = sums.scatter_add(2, index, values)
    sums = sums.reshape(batch, 3, height, width)
    count = sums[:, 2:]
    reached = count > 0
    output = torch.where(reached, sums[:, :2] / torch.where(reached, count, 1), 0)
    if fill_holes:
        output = torch.where(reached, output, _fill(output.detach(), count.detach(), look_below))
    return output, count


def _fill(flow: Tensor, count: Tensor, look_below: bool) -> Tensor:
    """The mean of the nearest reached pixels in the four (or three) directions, for every pixel."""
    height, width = flow.shape[2:]
    total, found = torch.zeros_like(flow), torch.zeros_like(count)
    columns = torch.arange(width, device=flow.device).expand(count.shape)
    rows = torch.arange(height, device=flow.device)[:, None].expand(count.shape)
    directions = [(3, False, columns), (3, True, columns), (2, False, rows)] + [(2, True, rows)] * look_below
    for axis, backwards, places in directions:
        last = places.shape[axis] - 1
        order = last - places if backwards else places
        stops = torch.where(count != 0, order, -1)
        nearest = (stops.flip(axis).cummax(axis).values.flip(axis)) if backwards else stops.cummax(axis).values
        index = torch.where(nearest < 0, 0, last - nearest if backwards else nearest)
        good = (nearest >= 0) & (count.gather(axis, index) > 0)
        total += torch.where(good, flow.gather(axis, index.expand_as(flow)), 0)
        found += good
    return total / found.clamp(min=1)


@operator("flow_projection")
def _forward(flow: Tensor, weight: Tensor | None, fill_holes: bool, look_below: bool) -> tuple[Tensor, Tensor]:
    flow = flow.contiguous()
    weight = None if weight is None else weight.contiguous()
    batch, _, height, width = flow.shape
    output, coverage = torch.zeros_like(flow), flow.new_zeros(batch, 1, height, width)
    arguments = (flow, weight, None, output, coverage, None, None, height, width, look_below)
    extent = Extent(batch, height, width, height)
    launch("flow_projection", extent, *arguments, dtype=flow.dtype)
    launch("flow_projection_mean", extent, *arguments, dtype=flow.dtype)
    if fill_holes:
        launch("flow_projection_fill", extent, *arguments, dtype=flow.dtype)
    return output, coverage


@fake(_forward)
def _(flow: Tensor, weight: Tensor | None, fill_holes: bool, look_below: bool) -> tuple[Tensor, Tensor]:
    return flow.new_empty(flow.shape), flow.new_empty(flow.shape[0], 1, *flow.shape[2:])


@gradient("flow_projection_grad")
def _grad(
    grad: Tensor, flow: Tensor, weight: Tensor | None, projected: Tensor, coverage: Tensor
) -> tuple[Tensor, Tensor]:
    grad, flow = grad.contiguous(), flow.contiguous()
    weight = None if weight is None else weight.contiguous()
    batch, _, height, width = flow.shape
    grad_flow, grad_weight = torch.empty_like(flow), flow.new_empty(batch, 1, height, width)
    launch(
        "flow_projection_grad", Extent(batch, height, width), flow, weight, grad, projected.contiguous(),
        coverage.contiguous(), grad_flow, grad_weight, height, width, 0, dtype=flow.dtype,
    )  # fmt: skip
    return grad_flow, grad_weight


@fake(_grad)
def _(grad: Tensor, flow: Tensor, weight: Tensor | None, projected: Tensor, coverage: Tensor) -> tuple[Tensor, Tensor]:
    return flow.new_empty(flow.shape), flow.new_empty(flow.shape[0], 1, *flow.shape[2:])


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(inputs[0], inputs[1], *output)


def _backward(ctx: Any, grad: Tensor, grad_coverage: Tensor) -> tuple[Tensor | None, ...]:
    del grad_coverage  # What was covered is not differentiated.
    flow, weight, projected, coverage = ctx.saved_tensors
    grad_flow, grad_weight = _grad(grad, flow, weight, projected, coverage)
    return grad_flow, None if weight is None else grad_weight, None, None


torch.library.register_autograd(_forward, _backward, setup_context=_setup)
