"""Coarse-to-fine interpolation in single passes: what a level of a pyramid sees, and the final blend.

Levels estimate increments of the flow at their own size. The flow of a pixel is the sum of all increments, enlarged
bilinearly; the kernels compute it where they need it, so that no flow of full size is stored before the last level.
These operators have no derivative.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from vsvfi.ops._launch import Extent, kernels_run_on, launch
from vsvfi.ops._operator import fake, gradient
from vsvfi.ops.backward_warp import backward_warp

__all__ = ["MAX_LEVELS", "LevelEstimate", "pyramid_blend", "pyramid_input"]

MAX_LEVELS = 6


class LevelEstimate(NamedTuple):
    """What a level estimates: flow towards both frames (x, y, x, y; in its own pixels), mask logit, features.

    ``tensor`` is ``(N, C, h, w)``, frames are ``enlarged`` times as large; or, ``shuffled``,
    ``(N, 4 * C, h / 2, w / 2)``, as it enters a `torch.nn.PixelShuffle`.
    """

    tensor: Tensor
    enlarged: int
    shuffled: bool

    @property
    def maps(self) -> Tensor:
        """``(N, C, h, w)``."""
        return F.pixel_shuffle(self.tensor, 2) if self.shuffled else self.tensor


type Two = tuple[Tensor, Tensor]


def pyramid_input(
    frames: Two,
    features: Two,
    timesteps: Tensor,
    estimates: Sequence[LevelEstimate],
    *,
    scale: int,
    fed_on: int = 0,
    sums_masks: bool = False,
    dtype: torch.dtype,
) -> Tensor:
    """What a level sees: both frames and their features warped by the flow so far, and what is known so far.

    All is as if computed at full size and reduced bilinearly without antialiasing.

    Args:
        frames: ``(1, 3, H, W)`` each, fp32.
        features: ``(1, C, H, W)`` each.
        timesteps: ``(N,)``, fp32.
        estimates: of the levels before, coarsest first; each of N samples.
        scale: 1 or an even number that H and W are multiples of.
        fed_on: how many features of the last estimate are passed on.
        sums_masks: whether masks are increments too, as flows are; otherwise the last one counts.
        dtype: of the result.

    Returns:
        ``(N, 6 + 2 * C + 1 + 1 + fed_on + 4, H / scale, W / scale)`` in channels_last; without the last three parts
        where there are no estimates.
    """
    if not kernels_run_on(frames[0].device):
        return _reference_input(frames, features, timesteps, estimates, scale, fed_on, sums_masks).to(dtype)
    result: Tensor = _input(
        *frames, *features, timesteps, [e.tensor for e in estimates], [e.enlarged for e in estimates],
        [int(e.shuffled) for e in estimates], scale, fed_on, sums_masks, dtype,
    )  # fmt: skip
    return result


def pyramid_blend(frames: Two, estimates: Sequence[LevelEstimate], *, sums_masks: bool = False) -> Tensor:
    """The new frames ``(N, 3, H, W)``, fp32: both frames warped by the flow, mixed by the sigmoid of the mask."""
    if not kernels_run_on(frames[0].device):
        flow, mask, _ = _so_far(estimates, sums_masks)
        share = torch.sigmoid(mask)
        first, second = (frame.expand(len(flow), -1, -1, -1) for frame in frames)
        return backward_warp(first, flow[:, :2]) * share + backward_warp(second, flow[:, 2:]) * (1 - share)
    result: Tensor = _blend(
        *frames, [e.tensor for e in estimates], [e.enlarged for e in estimates], [int(e.shuffled) for e in estimates],
        sums_masks,
    )  # fmt: skip
    return result


def _enlarge(x: Tensor, factor: int) -> Tensor:
    return x if factor == 1 else F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def _so_far(estimates: Sequence[LevelEstimate], sums_masks: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Flow, mask logit and the last features at full size."""
    full = [_enlarge(estimate.maps.float(), estimate.enlarged) for estimate in estimates]
    flow = torch.stack([maps[:, :4] * e.enlarged for maps, e in zip(full, estimates, strict=True)]).sum(0)
    masks = full if sums_masks else full[-1:]
    return flow, torch.stack([maps[:, 4:5] for maps in masks]).sum(0), full[-1][:, 5:]


def _reference_input(
    frames: Two,
    features: Two,
    timesteps: Tensor,
    estimates: Sequence[LevelEstimate],
    scale: int,
    fed_on: int,
    sums_masks: bool,
) -> Tensor:
    """`pyramid_input` in plain torch."""
    count = len(timesteps)
    seen = [image.float().expand(count, -1, -1, -1) for image in (*frames, *features)]
    parts: list[Tensor] = []
    time = timesteps.view(-1, 1, 1, 1).expand(-1, 1, *seen[0].shape[2:])
    if estimates:
        flow, mask, rest = _so_far(estimates, sums_masks)
        seen = [backward_warp(image, flow[:, 2 * (n % 2) :][:, :2]) for n, image in enumerate(seen)]
        parts = [mask, rest[:, :fed_on], flow / scale]
    whole = torch.cat([*seen, time, *parts], 1)
    if scale == 1:
        return whole
    return F.interpolate(whole, scale_factor=1 / scale, mode="bilinear", align_corners=False)


def _tensor_words(x: Tensor) -> list[Tensor | int]:
    return [x, *x.stride()]


def _words(
    frames: Sequence[Tensor],
    features: Sequence[Tensor],
    timesteps: Tensor | None,
    output: Tensor,
    estimates: Sequence[Tensor],
    sizes: Sequence[Sequence[int]],
    numbers: Sequence[int],
) -> list[Tensor | float | None]:
    """The arguments as kernels/ops/pyramid.h lists them."""
    words: list[Tensor | float | None] = []
    for x in (*frames, *features):
        words += _tensor_words(x)
    words += [timesteps, output, *_tensor_words(output), frames[0].shape[2], frames[0].shape[3], *numbers]
    for estimate, (enlarged, shuffled) in zip(estimates, sizes, strict=True):
        height, width = (side * (2 if shuffled else 1) for side in estimate.shape[2:])
        words += [*_tensor_words(estimate), height, width, enlarged, shuffled]
    return words + [0] * (9 * (MAX_LEVELS - len(estimates)))


def _stored(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Of the type that kernels take: on a CPU, fp32 stands for halves."""
    return x.to(torch.float32 if x.device.type == "cpu" else dtype)


@gradient("pyramid_input")
def _input(
    frame0: Tensor,
    frame1: Tensor,
    features0: Tensor,
    features1: Tensor,
    timesteps: Tensor,
    estimates: Sequence[Tensor],
    enlarged: Sequence[int],
    shuffled: Sequence[int],
    scale: int,
    fed_on: int,
    sums_masks: bool,
    dtype: torch.dtype,
) -> Tensor:
    assert len(estimates) <= MAX_LEVELS
    output = _input_like(frame0, features0, timesteps, bool(estimates), scale, fed_on, dtype)
    made = _stored(output, dtype)
    features = [_stored(x, dtype) for x in (features0, features1)]
    given = [_stored(x, dtype) for x in estimates]
    numbers = [features0.shape[1], scale, len(given), fed_on, int(sums_masks)]
    sizes = list(zip(enlarged, shuffled, strict=True))
    frames = [frame0.float(), frame1.float()]
    words = _words(frames, features, timesteps, made, given, sizes, numbers)
    launch("pyramid_input", Extent(len(made), *made.shape[2:]), *words, dtype=made.dtype, variant=1, strided=True)
    return made.to(dtype)


@fake(_input)
def _(
    frame0: Tensor,
    frame1: Tensor,
    features0: Tensor,
    features1: Tensor,
    timesteps: Tensor,
    estimates: Sequence[Tensor],
    enlarged: Sequence[int],
    shuffled: Sequence[int],
    scale: int,
    fed_on: int,
    sums_masks: bool,
    dtype: torch.dtype,
) -> Tensor:
    return _input_like(frame0, features0, timesteps, bool(estimates), scale, fed_on, dtype)


def _input_like(
    frame: Tensor, features: Tensor, timesteps: Tensor, later: bool, scale: int, fed_on: int, dtype: torch.dtype
) -> Tensor:
    channels = 7 + 2 * features.shape[1] + (5 + fed_on if later else 0)
    size = (len(timesteps), channels, frame.shape[2] // scale, frame.shape[3] // scale)
    return torch.empty(size, dtype=dtype, device=frame.device, memory_format=torch.channels_last)


@gradient("pyramid_blend")
def _blend(
    frame0: Tensor,
    frame1: Tensor,
    estimates: Sequence[Tensor],
    enlarged: Sequence[int],
    shuffled: Sequence[int],
    sums_masks: bool,
) -> Tensor:
    assert len(estimates) <= MAX_LEVELS
    dtype = estimates[0].dtype
    given = [_stored(x, dtype) for x in estimates]
    output = frame0.new_empty(len(given[0]), *frame0.shape[1:], dtype=torch.float32)
    frames = [frame0.float(), frame1.float()]
    none = frames[0][:, :0]
    sizes = list(zip(enlarged, shuffled, strict=True))
    words = _words(frames, [none, none], None, output, given, sizes, [0, 1, len(given), 0, int(sums_masks)])
    extent = Extent(len(output), *output.shape[2:])
    launch("pyramid_blend", extent, *words, dtype=given[0].dtype, variant=1, strided=True)
    return output


@fake(_blend)
def _(
    frame0: Tensor,
    frame1: Tensor,
    estimates: Sequence[Tensor],
    enlarged: Sequence[int],
    shuffled: Sequence[int],
    sums_masks: bool,
) -> Tensor:
    return frame0.new_empty(len(estimates[0]), *frame0.shape[1:], dtype=torch.float32)
