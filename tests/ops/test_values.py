"""Small results worked out by hand, and the laws that operators obey: their conventions, frozen."""

from __future__ import annotations

import math
import mmap
import sys
from collections.abc import Callable
from typing import Any, Literal, cast

import pytest
import torch
from torch import Tensor

from vsvfi import ops
from vsvfi.ops import _launch


def row(*values: float) -> Tensor:
    """A one-row image with one channel."""
    return torch.tensor(values, dtype=torch.float32)[None, None, None]


def shifts(x: float | Tensor, height: int = 1, width: int = 4, y: float = 0.0) -> Tensor:
    """The flow (x, y) at every pixel."""
    flow = torch.zeros(1, 2, height, width)
    flow[:, 0], flow[:, 1] = x, y
    return flow


RAMP = row(10, 20, 30, 40)


@pytest.mark.parametrize(
    ("arguments", "shift", "expected"),
    [
        ({}, 0.0, (10, 20, 30, 40)),
        ({}, 1.0, (20, 30, 40, 40)),
        ({}, 0.25, (12.5, 22.5, 32.5, 40)),
        ({}, -2.0, (10, 10, 10, 20)),
        ({"border": "zeros"}, 0.25, (12.5, 22.5, 32.5, 30)),
        ({"border": "zeros"}, 1.0, (20, 30, 40, 0)),
        ({"mode": "bicubic"}, 1.0, (20, 30, 40, 40)),
        # Keys' kernel with a = -0.75 at a distance of 1/2: weights -3/32, 19/32, 19/32, -3/32.
        ({"mode": "bicubic"}, 0.5, ((19 * 30 - 3 * 40) / 32, 25, (19 * 70 - 3 * 60) / 32, (-3 * 30 + 35 * 40) / 32)),
        # x * 4 / 3 - 1 / 2: no identity.
        ({"align_corners": False}, 0.0, (10, 10 + 10 * 5 / 6, 20 + 10 * 7 / 6, 40)),
    ],
)
def test_backward_warp(arguments: dict[str, Any], shift: float, expected: tuple[float, ...]) -> None:
    torch.testing.assert_close(ops.backward_warp(RAMP, shifts(shift), **arguments), row(*expected))


def test_backward_warp_samples_as_grid_sample_does() -> None:
    generator = torch.Generator().manual_seed(0)
    image, flow = torch.randn(1, 2, 9, 11, generator=generator), torch.randn(1, 2, 9, 11, generator=generator) * 4
    x, y = torch.arange(11) + flow[:, 0], torch.arange(9)[:, None] + flow[:, 1]
    grid = torch.stack((x / 5 - 1, y / 4 - 1), -1)
    paddings: tuple[tuple[Literal["replicate", "zeros"], str], ...] = (("replicate", "border"), ("zeros", "zeros"))
    for mode in ("bilinear", "bicubic"):
        for border, padding in paddings:
            for aligned in (True, False):
                theirs = torch.nn.functional.grid_sample(image, grid, mode, padding, aligned)
                ours = ops.backward_warp(image, flow, mode=mode, border=border, align_corners=aligned)
                torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30])
def test_backward_warp_of_no_finite_flow(value: float) -> None:
    far = 40 if value > 0 else 10  # NaN counts as far to the left.
    torch.testing.assert_close(ops.backward_warp(RAMP, shifts(value)), row(*[far] * 4))
    torch.testing.assert_close(ops.backward_warp(RAMP, shifts(value), border="zeros"), row(0, 0, 0, 0))


def test_forward_splat() -> None:
    assert ops.forward_splat(RAMP, shifts(0.25)).tolist() == row(7.5, 17.5, 27.5, 37.5).tolist()
    assert ops.forward_splat(RAMP, shifts(1.0)).tolist() == row(0, 10, 20, 30).tolist()
    # Two pixels meet on the second one.
    meet = shifts(torch.tensor([1.0, 0.0, 9.0, math.nan]))
    assert ops.forward_splat(RAMP, meet).tolist() == row(0, 30, 0, 0).tolist()
    torch.testing.assert_close(ops.forward_splat(RAMP, meet, mode="average"), row(0, 15, 0, 0))
    metric = row(math.log(3), 0, 0, 0)
    torch.testing.assert_close(ops.forward_splat(RAMP, meet, mode="softmax", metric=metric), row(0, 12.5, 0, 0))
    linear = ops.forward_splat(RAMP, meet, mode="linear", metric=metric.exp())
    torch.testing.assert_close(linear, row(0, 12.5, 0, 0))


def test_flow_projection() -> None:
    # One vector of 1.0 leads from the first pixel to the second: it counts there and one further to the right.
    flow = shifts(torch.tensor([1.0, 9.0, 9.0, 9.0]))
    unfilled = ops.flow_projection(flow, fill_holes=False)
    assert unfilled.flow[0, 0].tolist() == [[0, -1, -1, 0]]
    assert unfilled.coverage[0, 0].tolist() == [[0, 2, 2, 0]]  # Twice: there is no row below.
    assert ops.flow_projection(flow).flow[0, 0].tolist() == [[-1, -1, -1, -1]]


def test_flow_projection_may_not_look_below() -> None:
    flow = torch.full((1, 2, 3, 1), 9.0)
    flow[:, :, 2] = torch.tensor([0.0, -0.5]).view(2, 1)  # Only the lowest two rows are reached.
    assert ops.flow_projection(flow).flow[0, 1].flatten().tolist() == [0.5, 0.5, 0.5]
    assert ops.flow_projection(flow, look_below=False).flow[0, 1].flatten().tolist() == [0, 0.5, 0.5]


def test_depth_flow_projection_prefers_weight() -> None:
    flow = shifts(torch.tensor([2.0, 1.0, 9.0, 9.0]))
    weight = row(3, 1, 1, 1)
    assert ops.depth_flow_projection(flow, weight).flow[0, 0, 0, 2].item() == -1.75


def test_adaptive_warp_copies_pixels_that_leave() -> None:
    kernels = torch.zeros(1, 16, 1, 4)
    kernels[:, 5] = 2  # The tap on the pixel at the upper left of the target.
    assert ops.adaptive_warp(RAMP, shifts(0.0), kernels).tolist() == row(20, 40, 60, 80).tolist()
    assert ops.adaptive_warp(RAMP, shifts(1.0), kernels).tolist() == row(40, 60, 80, 40).tolist()
    assert ops.adaptive_warp(RAMP, shifts(math.nan), kernels).tolist() == RAMP.tolist()


def test_adacof_truncates_towards_zero() -> None:
    one, zero = torch.ones(1, 1, 1, 4), torch.zeros(1, 1, 1, 4)
    # -0.5 is 0 and a fraction of -0.5: half a pixel is extrapolated from the pixel and its right neighbour.
    assert ops.adacof(RAMP, one, zero, zero - 0.5).tolist() == row(5, 15, 25, 40).tolist()
    assert ops.adacof(RAMP, one, zero, zero + 0.5).tolist() == row(15, 25, 35, 40).tolist()


def test_separable_conv() -> None:
    ones = torch.ones(1, 1, 1, 3)
    horizontal = torch.cat([ones, 2 * ones], 1)
    assert ops.separable_conv(RAMP, ones * 10, horizontal).tolist() == row(500, 800, 1100).tolist()


def test_correlation_puts_y_before_x() -> None:
    first, second = torch.zeros(1, 1, 3, 3), torch.zeros(1, 1, 3, 3)
    first[0, 0, 1, 1], second[0, 0, 2, 1] = 2, 3
    volume = ops.correlation(first, second, radius=1)
    assert volume.shape == (1, 9, 3, 3)
    assert volume[0, 7, 1, 1] == 6  # dy = 1, dx = 0
    assert volume.sum() == 6


def test_correlation_lookup_puts_x_before_y() -> None:
    volume = torch.arange(12.0).view(1, 1, 3, 4)
    window = ops.correlation_lookup([volume], torch.tensor([1.0, 1.0]).view(1, 2, 1, 1), radius=1)
    assert window.flatten().tolist() == [0, 4, 8, 1, 5, 9, 2, 6, 10]


def test_deform_conv2d_without_offsets_is_a_convolution() -> None:
    generator = torch.Generator().manual_seed(0)
    image, weight = torch.randn(2, 6, 8, 9, generator=generator), torch.randn(5, 6, 3, 3, generator=generator)
    bias = torch.randn(5, generator=generator)
    ours = ops.deform_conv2d(image, torch.zeros(2, 18, 4, 5), torch.ones(2, 9, 4, 5), weight, bias, stride=2, padding=1)
    torch.testing.assert_close(ours, torch.nn.functional.conv2d(image, weight, bias, stride=2, padding=1))


def test_channel_norm() -> None:
    image = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1).requires_grad_()
    norm = ops.channel_norm(image)
    norm.backward()
    assert norm.item() == 5
    torch.testing.assert_close(image.grad, torch.tensor([0.6, 0.8]).view(1, 2, 1, 1))


def test_voxel_sample() -> None:
    weight = torch.full((1, 1, 1, 4), 0.25)
    assert ops.voxel_sample(RAMP, RAMP, shifts(1.0), weight).tolist() == row(17.5, 25, 35, 37.5).tolist()


def test_splatting_keeps_the_sum_of_what_stays_inside() -> None:
    generator = torch.Generator().manual_seed(2)
    image = torch.zeros(1, 1, 20, 20, dtype=torch.float64)
    image[:, :, 8:12, 8:12] = torch.rand(4, 4, generator=generator, dtype=torch.float64)
    flow = torch.rand(1, 2, 20, 20, generator=generator, dtype=torch.float64) * 10 - 5
    torch.testing.assert_close(ops.forward_splat(image, flow).sum(), image.sum())


@pytest.mark.skipif(sys.platform != "linux", reason="needs memory that is reserved and never used")
def test_indices_do_not_overflow() -> None:
    """A tensor of more than 2**31 elements, as features of 16K frames are; only what is read is ever in memory."""
    shape = (1, 20, 8640, 15360)
    no_reserve = 0x4000  # mmap.MAP_NORESERVE, from Python 3.13 on.
    memory = mmap.mmap(-1, 4 * math.prod(shape), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | no_reserve)
    image = torch.frombuffer(memory, dtype=torch.float32).view(shape)
    assert image.numel() > 2**31
    image[0, -1, -1, -1] = 3
    flow = shifts(15358.0, width=1, y=8639.0).requires_grad_()
    sample = ops.backward_warp(image, flow + torch.tensor([0.5, 0]).view(1, 2, 1, 1))
    assert sample.flatten().tolist() == [0] * 19 + [1.5]
    sample.sum().backward()
    assert flow.grad is not None
    assert flow.grad.flatten().tolist() == [3, 0]


def test_planes_beyond_the_kernels_reach_run_the_reference() -> None:
    assert _launch.has_kernels(torch.empty(1, 64, 8640, 15360, device="meta"))
    assert not _launch.has_kernels(torch.empty(1, 1, 2**16, 2**16, device="meta"))
    assert not _launch.has_kernels(torch.empty(2**16, 1, 2**16, 1, device="meta"))


BAD: list[tuple[Callable[[], object], type[Exception], str]] = [
    (
        lambda: ops.backward_warp(RAMP, torch.zeros(1, 3, 1, 4)),
        ValueError,
        r"flow must have the shape \(1, 2, any, any\), got \(1, 3, 1, 4\)",
    ),
    (
        lambda: ops.backward_warp(RAMP.long(), shifts(0)),
        TypeError,
        "image must be of a floating-point type, got torch.int64",
    ),
    (lambda: ops.backward_warp(RAMP, shifts(0), mode=cast("Any", "cubic")), ValueError, "'cubic'"),
    (lambda: ops.backward_warp(RAMP[..., :0], shifts(0)), ValueError, "must have pixels"),
    (lambda: ops.backward_warp(RAMP, shifts(0).to("meta")), ValueError, "flow is on meta, image on cpu"),
    (lambda: ops.backward_warp(cast("Any", [1]), shifts(0)), TypeError, "image must be a tensor, got list"),
    (lambda: ops.adaptive_warp(RAMP, shifts(0), torch.zeros(1, 15, 1, 4)), ValueError, "S \\* S channels"),
    (lambda: ops.forward_splat(RAMP, shifts(0), mode="softmax"), ValueError, "needs a metric"),
    (lambda: ops.forward_splat(RAMP, shifts(0), metric=RAMP), ValueError, "takes no metric"),
    (lambda: ops.adacof(RAMP, *torch.zeros(3, 1, 4, 1, 4)), ValueError, r"\(1, 1, 2, 5\), got \(1, 1, 1, 4\)"),
    (lambda: ops.separable_conv(RAMP, *torch.zeros(2, 1, 2, 1, 4)), ValueError, r"\(1, any, 2, 5\)"),
    (lambda: ops.correlation(RAMP, RAMP[:, :, :, :3]), ValueError, "second must have the shape"),
    (lambda: ops.correlation(RAMP, RAMP, padding=1), ValueError, "at least the radius, 4, got 1"),
    (lambda: ops.bilateral_cost_volume(RAMP, RAMP, shifts(0), timestep=2, radius=1), ValueError, "from 0 to 1"),
    (lambda: ops.all_pairs_correlation(RAMP, RAMP), ValueError, "4 levels do not fit features of 1 x 4"),
    (lambda: ops.correlation_lookup([], shifts(0)), ValueError, "got 0 levels"),
    (
        lambda: ops.deform_conv2d(RAMP, shifts(0), RAMP, torch.zeros(1, 1, 3, 3)),
        ValueError,
        "does not fit an image of 1 x 4",
    ),
    (
        lambda: ops.depth_flow_projection(shifts(0), RAMP[..., :2]),
        ValueError,
        r"weight must have the shape \(1, 1, 1, 4\)",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD, ids=range(len(BAD)))
def test_bad_arguments_are_named(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
