"""Forward splatting: each input pixel is spread over the four pixels around where its flow vector points."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from vsvfi.ops._common import accumulator, check, inside, shift

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
        deterministic: Same bits on every run. None: always on CPU (where it costs nothing), and elsewhere when
            ``torch.use_deterministic_algorithms`` is on.

    Returns:
        ``(N, C, H, W)`` of the image's type; 0 where nothing arrived.
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
    weight = None if metric is None else metric.to(accumulator(image))
    if weight is not None and mode == "softmax":
        weight = weight.exp()
    del deterministic  # The reference is deterministic on CPU.
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
