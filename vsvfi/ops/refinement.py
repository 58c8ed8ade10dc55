"""A level of intermediate-feature refinement (IFRNet, AMT) in single passes. These operators have no derivative."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vsvfi.ops._launch import Extent, kernels_run_on, launch
from vsvfi.ops._operator import fake, gradient
from vsvfi.ops.backward_warp import backward_warp

__all__ = ["refinement_blend", "refinement_input"]

type Two = tuple[Tensor, Tensor]


def refinement_input(refined: Tensor, before: Tensor | None, features: Two) -> tuple[Tensor, Tensor]:
    """The flow so far, and what a decoder sees at this level.

    Args:
        refined: what the decoder before made, ``(N, 4 + P, h, w)``: increments of the flow towards both frames (x, y,
            x, y; in pixels of this level), and what is passed on.
        before: the flow of the level before ``(N, 4, h / 2, w / 2)``, fp32, or None.
        features: of both frames at this level, ``(1, C, h, w)`` each.

    Returns:
        the flow ``(N, 4, h, w)``, fp32, and ``(N, P + C + C + 4, h, w)`` of ``refined``'s type in channels_last: what
        is passed on, both features warped by the flow, the flow.
    """
    if not kernels_run_on(refined.device):
        flow = _flow(refined, before)
        warped = _warped(features, flow)
        parts = (refined[:, 4:].float(), *warped, flow)
        return flow, torch.cat(parts, 1).to(refined.dtype).contiguous(memory_format=torch.channels_last)
    result: tuple[Tensor, Tensor] = _input(refined, before, *features)
    return result


def refinement_blend(refined: Tensor, before: Tensor, frames: Two, mean: Tensor) -> Tensor:
    """The new frames ``(N, 3, H, W)``, fp32, in [0, 1].

    Args:
        refined: ``(N, 8, H, W)``: increments of the flow, a mask logit, a residual.
        before: the flow of the level before ``(N, 4, H / 2, W / 2)``, fp32.
        frames: less their mean, ``(1, 3, H, W)`` each.
        mean: ``(1, 1, 1, 1)``.
    """
    if not kernels_run_on(refined.device):
        first, second = _warped(frames, _flow(refined, before))
        share = torch.sigmoid(refined[:, 4:5].float())
        return (share * first + (1 - share) * second + mean + refined[:, 5:].float()).clamp(0, 1)
    result: Tensor = _blend(refined, before, *frames, mean)
    return result


def _flow(refined: Tensor, before: Tensor | None) -> Tensor:
    flow = refined[:, :4].float()
    if before is None:
        return flow
    return flow + 2 * F.interpolate(before, scale_factor=2, mode="bilinear", align_corners=False)


def _warped(images: Two, flow: Tensor) -> tuple[Tensor, Tensor]:
    first, second = (image.float().expand(len(flow), -1, -1, -1) for image in images)
    return backward_warp(first, flow[:, :2]), backward_warp(second, flow[:, 2:])


def _words(x: Tensor | None) -> list[Tensor | float | None]:
    return [None, 0, 0, 0, 0] if x is None else [x, *x.stride()]


def _launch(
    kernel: str,
    refined: Tensor,
    before: Tensor | None,
    images: Two,
    mean: Tensor | None,
    flow: Tensor | None,
    out: Tensor,
) -> None:
    height, width = refined.shape[2:]
    words = [*_words(refined), *_words(before), *_words(images[0]), *_words(images[1]), mean, flow, out, *_words(out)]
    words += [height, width, images[0].shape[1], refined.shape[1] - 4]
    extent = Extent(len(refined), height, width)
    launch(kernel, extent, *words, dtype=refined.dtype, variant=1, strided=True)


@gradient("refinement_input")
def _input(refined: Tensor, before: Tensor | None, features0: Tensor, features1: Tensor) -> tuple[Tensor, Tensor]:
    storage = torch.float32 if refined.device.type == "cpu" else refined.dtype
    flow, output = _input_like(refined, features0)
    made = output.to(storage)
    _launch(
        "refinement_input",
        refined.to(storage),
        before,
        (features0.to(storage), features1.to(storage)),
        None,
        flow,
        made,
    )
    return flow, made.to(refined.dtype)


@fake(_input)
def _(refined: Tensor, before: Tensor | None, features0: Tensor, features1: Tensor) -> tuple[Tensor, Tensor]:
    return _input_like(refined, features0)


def _input_like(refined: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
    count, channels, height, width = refined.shape
    flow = refined.new_empty(count, 4, height, width, dtype=torch.float32)
    size = (count, channels + 2 * features.shape[1], height, width)
    output = torch.empty(size, dtype=refined.dtype, device=refined.device, memory_format=torch.channels_last)
    return flow, output


@gradient("refinement_blend")
def _blend(refined: Tensor, before: Tensor, frame0: Tensor, frame1: Tensor, mean: Tensor) -> Tensor:
    storage = torch.float32 if refined.device.type == "cpu" else refined.dtype
    output = refined.new_empty(len(refined), 3, *refined.shape[2:], dtype=torch.float32)
    frames = (frame0.float(), frame1.float())
    _launch("refinement_blend", refined.to(storage), before, frames, mean.float(), None, output)
    return output


@fake(_blend)
def _(refined: Tensor, before: Tensor, frame0: Tensor, frame1: Tensor, mean: Tensor) -> Tensor:
    return refined.new_empty(len(refined), 3, *refined.shape[2:], dtype=torch.float32)
