"""Every operator in every mode: how it is called, its reference, and random inputs of any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor

from vsvfi import ops
from vsvfi.ops.adacof import reference as _adacof
from vsvfi.ops.adaptive_warp import reference as _adaptive_warp
from vsvfi.ops.backward_warp import reference as _backward_warp
from vsvfi.ops.bilateral_cost_volume import reference as _bilateral_cost_volume
from vsvfi.ops.correlation import reference as _correlation
from vsvfi.ops.correlation_lookup import reference as _all_pairs_correlation
from vsvfi.ops.deform_conv2d import reference as _deform_conv2d
from vsvfi.ops.flow_projection import reference as _flow_projection
from vsvfi.ops.forward_splat import reference as _forward_splat
from vsvfi.ops.separable_conv import reference as _separable_conv

SPECIAL = (0.0, 1.0, -1.0, 0.5, -3.0, 64.0, 1e9, -1e20, float("nan"), float("inf"), float("-inf"))
"""Flow vectors at which kernels go wrong: on pixels, far outside, not finite."""


@dataclass(frozen=True)
class Problem:
    """A size and a seed: what random inputs are made from."""

    batch: int = 2
    channels: int = 3
    height: int = 7
    width: int = 67
    scale: float = 3.0
    special: bool = False
    seed: int = 0

    def generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)


problems = st.builds(
    Problem,
    batch=st.integers(1, 2),
    channels=st.sampled_from([1, 3, 4, 9]),
    height=st.integers(1, 12) | st.just(40),  # The latter has several bands of rows.
    width=st.sampled_from([1, 2, 5, 63, 64, 65, 70]),
    scale=st.sampled_from([0.0, 0.7, 5.0, 60.0]),
    special=st.booleans(),
    seed=st.integers(0, 2**16),
)

type Make = Callable[[Problem, torch.dtype], list[Tensor]]


@dataclass(frozen=True)
class Operator:
    """``run`` is the public function and ``reference`` plain torch, both on the tensors that ``make`` returns.

    ``linear`` is the input in which the operator is linear, if there is one.
    """

    id: str
    run: Callable[..., Tensor]
    reference: Callable[..., Tensor]
    make: Make
    linear: int | None = None

    def inputs(self, problem: Problem, dtype: torch.dtype, device: str = "cpu") -> list[Tensor]:
        return [tensor.to(device) for tensor in self.make(problem, dtype)]


def normal(generator: torch.Generator, dtype: torch.dtype, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def vectors(problem: Problem, generator: torch.Generator, dtype: torch.dtype, *shape: int) -> Tensor:
    """Random displacements, some of them special where the problem asks for it. None is within 1e-3 of an integer."""
    flow = (torch.rand(shape, generator=generator, dtype=torch.float64) - 0.5) * 2 * problem.scale
    flow = torch.where((flow - flow.round()).abs() < 1e-3, flow.round() + 0.25, flow)
    if problem.special:
        index = torch.randint(0, len(SPECIAL), shape, generator=generator)
        use = torch.rand(shape, generator=generator) < 0.3
        flow = torch.where(use, torch.tensor(SPECIAL, dtype=torch.float64)[index], flow)
    return flow.to(dtype)


def image_and_flow(p: Problem, dtype: torch.dtype) -> list[Tensor]:
    g = p.generator()
    image = normal(g, dtype, p.batch, p.channels, p.height, p.width)
    return [image, vectors(p, g, dtype, p.batch, 2, p.height, p.width)]


def other_size(p: Problem, dtype: torch.dtype) -> list[Tensor]:
    g = p.generator()
    image = normal(g, dtype, p.batch, p.channels, p.height + 2, p.width + 3)
    return [image, vectors(p, g, dtype, p.batch, 2, p.height, p.width)]


def with_kernels(size: int) -> Make:
    def make(p: Problem, dtype: torch.dtype) -> list[Tensor]:
        kernels = normal(p.generator().manual_seed(p.seed + 1), dtype, p.batch, size * size, p.height, p.width)
        return [*image_and_flow(p, dtype), kernels]

    return make


def with_metric(p: Problem, dtype: torch.dtype) -> list[Tensor]:
    return [*image_and_flow(p, dtype), normal(p.generator(), dtype, p.batch, 1, p.height, p.width)]


def flow_only(p: Problem, dtype: torch.dtype) -> list[Tensor]:
    return [vectors(p, p.generator(), dtype, p.batch, 2, p.height, p.width)]


def flow_and_weight(p: Problem, dtype: torch.dtype) -> list[Tensor]:
    weight = torch.rand(p.batch, 1, p.height, p.width, generator=p.generator(), dtype=torch.float64) + 0.1
    return [*flow_only(p, dtype), weight.to(dtype)]


def adacof_inputs(size: int, dilation: int) -> Make:
    def make(p: Problem, dtype: torch.dtype) -> list[Tensor]:
        g = p.generator()
        border = (size - 1) * dilation
        shape = p.batch, size * size, p.height, p.width
        image = normal(g, dtype, p.batch, p.channels, p.height + border, p.width + border)
        return [image, normal(g, dtype, *shape), vectors(p, g, dtype, *shape), vectors(p, g, dtype, *shape)]

    return make


def separable_inputs(vertical: int, horizontal: int) -> Make:
    def make(p: Problem, dtype: torch.dtype) -> list[Tensor]:
        g = p.generator()
        image = normal(g, dtype, p.batch, p.channels, p.height + vertical - 1, p.width + horizontal - 1)
        return [image, *(normal(g, dtype, p.batch, taps, p.height, p.width) for taps in (vertical, horizontal))]

    return make


def two_maps(p: Problem, dtype: torch.dtype) -> list[Tensor]:
    g = p.generator()
    return [normal(g, dtype, p.batch, p.channels, p.height, p.width) for _ in range(2)]


def two_maps_and_flow(p: Problem, dtype: torch.dtype) -> list[Tensor]:
    return [*two_maps(p, dtype), vectors(p, p.generator(), dtype, p.batch, 2, p.height, p.width)]


def volume_and_coords(p: Problem, dtype: torch.dtype) -> list[Tensor]:
    g = p.generator()
    height, width = min(p.height, 4), min(p.width, 6)
    volume = normal(g, dtype, p.batch, height * width, p.height, p.width)
    return [volume, vectors(p, g, dtype, p.batch, 2, height, width) + p.width / 4]


def deform_inputs(groups: int, stride: int, padding: int, dilation: int) -> Make:
    def make(p: Problem, dtype: torch.dtype) -> list[Tensor]:
        g = p.generator()
        channels, height, width = groups * 2, p.height + 4, p.width + 4
        size = [(n + 2 * padding - 2 * dilation - 1) // stride + 1 for n in (height, width)]
        return [
            normal(g, dtype, p.batch, channels, height, width),
            vectors(p, g, dtype, p.batch, groups * 18, *size),
            normal(g, dtype, p.batch, groups * 9, *size),
            normal(g, dtype, 4, channels, 3, 3),
        ]

    return make


def _warps() -> list[Operator]:
    return [
        Operator(
            f"backward_warp-{mode}-{border}-{'aligned' if aligned else 'stretched'}",
            lambda i, f, m=mode, b=border, a=aligned: ops.backward_warp(i, f, mode=m, border=b, align_corners=a),
            lambda i, f, m=mode, b=border, a=aligned: _backward_warp(i, f, m, b, a),
            image_and_flow if aligned else other_size,
            linear=0,
        )
        for mode in ("bilinear", "bicubic")
        for border in ("replicate", "zeros")
        for aligned in (True, False)
    ]


def _splats() -> list[Operator]:
    found = [
        Operator(
            "forward_splat-sum", ops.forward_splat, lambda i, f: _forward_splat(i, f, None, None), image_and_flow, 0
        )
    ]
    for epsilon in ("add", "zero", "clip"):
        found += [
            Operator(
                f"forward_splat-average-{epsilon}",
                lambda i, f, e=epsilon: ops.forward_splat(i, f, mode="average", epsilon=e),
                lambda i, f, e=epsilon: _forward_splat(i, f, None, e),
                image_and_flow,
                linear=0,
            ),
            Operator(
                f"forward_splat-softmax-{epsilon}",
                lambda i, f, m, e=epsilon: ops.forward_splat(i, f, mode="softmax", metric=m, epsilon=e),
                lambda i, f, m, e=epsilon: _forward_splat(i, f, m.exp(), e),
                with_metric,
                linear=0,
            ),
        ]
    found.append(
        Operator(
            "forward_splat-linear-add",
            lambda i, f, m: ops.forward_splat(i, f, mode="linear", metric=m),
            lambda i, f, m: _forward_splat(i, f, m, "add"),
            lambda p, dtype: [*image_and_flow(p, dtype), flow_and_weight(p, dtype)[1]],
            linear=0,
        )
    )
    return found


def _correlations() -> list[Operator]:
    return [
        Operator(
            f"correlation-{radius}-{stride}-{margin}",
            lambda a, b, r=radius, s=stride, m=margin: ops.correlation(a, b, radius=r, stride=s, padding=r + m),
            lambda a, b, r=radius, s=stride, m=margin: _correlation(a, b, r, s, m),
            two_maps,
            linear=0,
        )
        for radius, stride, margin in ((2, 1, 0), (5, 2, 0), (2, 1, 2))
    ]


def _bilateral(a: Tensor, b: Tensor, motion: Tensor, timestep: float) -> Tensor:
    normalised = [m / (m.square().sum(1, keepdim=True) + 1e-6).sqrt() for m in (a, b)]
    return _bilateral_cost_volume(normalised[0], normalised[1], motion, timestep, 1)


OPERATORS: Sequence[Operator] = (
    *_warps(),
    Operator("adaptive_warp-4", ops.adaptive_warp, _adaptive_warp, with_kernels(4), 0),
    Operator("adaptive_warp-3", ops.adaptive_warp, _adaptive_warp, with_kernels(3), 0),
    Operator(
        "flow_projection",
        lambda f: ops.flow_projection(f).flow,
        lambda f: _flow_projection(f, None, True, True)[0],
        flow_only,
    ),
    Operator(
        "flow_projection-no-holes",
        lambda f: ops.flow_projection(f, timestep=0.5, fill_holes=False).flow,
        lambda f: _flow_projection(f * 0.5, None, False, True)[0],
        flow_only,
    ),
    Operator(
        "flow_projection-three",
        lambda f: ops.flow_projection(f, look_below=False).flow,
        lambda f: _flow_projection(f, None, True, False)[0],
        flow_only,
    ),
    Operator(
        "depth_flow_projection",
        lambda f, w: ops.depth_flow_projection(f, w).flow,
        lambda f, w: _flow_projection(f, w, True, True)[0],
        flow_and_weight,
    ),
    *_splats(),
    Operator(
        "adacof-5-1",
        ops.adacof,
        lambda image, weights, x, y: _adacof(image, weights, x, y, 1),
        adacof_inputs(5, 1),
        linear=0,
    ),
    Operator(
        "adacof-2-3",
        lambda *t: ops.adacof(*t, dilation=3),
        lambda i, w, x, y: _adacof(i, w, x, y, 3),
        adacof_inputs(2, 3),
        linear=0,
    ),
    Operator("separable_conv-5-7", ops.separable_conv, _separable_conv, separable_inputs(5, 7), 0),
    Operator("separable_conv-3-1", ops.separable_conv, _separable_conv, separable_inputs(3, 1), 0),
    *_correlations(),
    *(
        Operator(
            f"bilateral_cost_volume-{timestep}",
            lambda a, b, m, t=timestep: ops.bilateral_cost_volume(a, b, m, timestep=t, radius=1),
            lambda a, b, m, t=timestep: _bilateral(a, b, m, t),
            two_maps_and_flow,
        )
        for timestep in (0, 0.3, 1)
    ),
    Operator(
        "correlation_lookup",
        lambda v, c: ops.correlation_lookup([v], c, radius=2),
        lambda v, c: _all_pairs_correlation(v, c, 2),
        volume_and_coords,
        linear=0,
    ),
    Operator(
        "deform_conv2d-1",
        lambda *t: ops.deform_conv2d(*t, padding=1),
        lambda x, o, m, w: _deform_conv2d(x, o, m, w, 1, 1, 1),
        deform_inputs(1, 1, 1, 1),
        linear=0,
    ),
    Operator(
        "deform_conv2d-2",
        lambda *t: ops.deform_conv2d(*t, stride=2, padding=3, dilation=2),
        lambda x, o, m, w: _deform_conv2d(x, o, m, w, 2, 3, 2),
        deform_inputs(2, 2, 3, 2),
        linear=0,
    ),
)
