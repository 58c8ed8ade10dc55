"""Native planes to RGB tensors and back, on the device, in fp32.

Both ways are linear and exact inverses up to rounding: nothing is clamped before samples are quantised, and chroma is
resampled by a pair of filters whose product is the identity, so that still pictures come back as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsvfi.engine.frames import Color
from vsvfi.models.info import PlaneFrame

__all__ = ["rgb_to_planes", "to_rgb"]

# Kr and Kb by matrix code point (ITU-T H.273, table 4). Constant-luminance and ICtCp material goes through the
# coefficients of BT.2020: any invertible mapping serves, as the way back undoes it.
_LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
_YCGCO = 8
_BT2020 = 9


@dataclass(frozen=True, slots=True)
class _Scale:
    """Samples are ``value * gain + offset``, with luma and RGB values in [0, 1] and chroma in [-0.5, 0.5]."""

    gain: float
    offset: float


def _scale(frame: PlaneFrame, plane: int, full: bool) -> _Scale:
    chroma = frame.family == "YUV" and plane > 0
    if frame.is_float:
        return _Scale(1.0, 0.0)
    step = 1 << (frame.bits - 8)
    if full:
        peak = (1 << frame.bits) - 1
        return _Scale(peak, 128 * step if chroma else 0.0)
    return _Scale(224 * step, 128 * step) if chroma else _Scale(219 * step, 16 * step)


@cache
def _yuv_to_rgb(matrix: int) -> tuple[tuple[float, ...], ...]:
    if matrix == _YCGCO:
        return ((1.0, -1.0, 1.0), (1.0, 1.0, 0.0), (1.0, -1.0, -1.0))
    kr, kb = _LUMA_WEIGHTS.get(matrix, _LUMA_WEIGHTS[_BT2020])
    kg = 1 - kr - kb
    red, blue = 2 * (1 - kr), 2 * (1 - kb)
    return ((1.0, 0.0, red), (1.0, -blue * kb / kg, -red * kr / kg), (1.0, blue, 0.0))


@cache
def _rgb_to_yuv(matrix: int) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, np.linalg.inv(np.array(_yuv_to_rgb(matrix))).tolist()))


def _mix(planes: Sequence[Tensor], matrix: tuple[tuple[float, ...], ...]) -> list[Tensor]:
    return [sum((c * p for c, p in zip(row, planes, strict=True)), start=torch.zeros_like(planes[0])) for row in matrix]


_FIRST, _CENTER, _LAST = range(3)
"""Where a chroma sample lies on the two luma samples that it covers along an axis."""


def _sites(chroma_location: int) -> tuple[int, int]:
    horizontal = _FIRST if chroma_location in (0, 2, 4) else _CENTER
    vertical = {2: _FIRST, 3: _FIRST, 4: _LAST, 5: _LAST}.get(chroma_location, _CENTER)
    return horizontal, vertical


def _double(x: Tensor, dim: int, site: int) -> Tensor:
    """Twice the samples along an axis, by linear interpolation that `_halve` undoes exactly."""
    size = x.shape[dim]
    before = torch.cat([x.narrow(dim, 0, 1), x.narrow(dim, 0, size - 1)], dim)
    after = torch.cat([x.narrow(dim, 1, size - 1), x.narrow(dim, size - 1, 1)], dim)
    if site == _FIRST:
        pair = (x, (x + after) / 2)
    elif site == _LAST:
        pair = ((before + x) / 2, x)
    else:
        slope = (after - before) / 8
        pair = (x - slope, x + slope)
    return torch.stack(pair, dim + 1).flatten(dim, dim + 1)


def _halve(x: Tensor, dim: int, site: int) -> Tensor:
    pairs: Tensor = x.unflatten(dim, (-1, 2))
    first, second = pairs.unbind(dim + 1)
    if site == _CENTER:
        return (first + second) / 2
    return first if site == _FIRST else second


def _resample(x: Tensor, step: Callable[[Tensor, int, int], Tensor], frame: PlaneFrame, location: int) -> Tensor:
    for dim, times, site in zip((3, 2), frame.subsampling, _sites(location), strict=True):
        for _ in range(times):
            x = step(x, dim, site)
    return x


def _upload(plane: NDArray[Any], device: torch.device) -> Tensor:
    # Frames are read only, which torch cannot express; page-locked staging also makes the copy to a GPU asynchronous.
    dtype = torch.from_numpy(np.empty(0, plane.dtype)).dtype
    staging = torch.empty(plane.shape, dtype=dtype, pin_memory=device.type == "cuda")
    staging.numpy()[...] = plane
    return staging.to(device, non_blocking=True)


def to_rgb(frame: PlaneFrame, color: Color, device: torch.device) -> Tensor:
    """A frame as ``(1, 3, H, W)`` fp32 on ``device``; nominal values in [0, 1], not clamped. Gray gives R = G = B."""
    planes = []
    for number, plane in enumerate(frame.planes):
        scale = _scale(frame, number, color.full_range)
        tensor = _upload(plane, device).to(torch.float32)[None, None]
        planes.append((tensor - scale.offset) / scale.gain)
    if frame.family == "GRAY":
        return planes[0].repeat(1, 3, 1, 1)
    if frame.family == "YUV":
        chroma = [_resample(plane, _double, frame, color.chroma_location) for plane in planes[1:]]
        planes = _mix([planes[0], *chroma], _yuv_to_rgb(color.matrix))
    return torch.cat(planes, 1)


def rgb_to_planes(rgb: Tensor, like: PlaneFrame, color: Color, out: Sequence[NDArray[Any]]) -> None:
    """Write ``(1, 3, H, W)`` RGB into planes of the format of ``like``; integers are rounded and clamped."""
    planes = [plane[:, None].float() for plane in rgb.unbind(1)]
    if like.family == "GRAY":
        planes = [rgb.float().mean(1, keepdim=True)]
    elif like.family == "YUV":
        luma, *chroma = _mix(planes, _rgb_to_yuv(color.matrix))
        planes = [luma, *(_resample(plane, _halve, like, color.chroma_location) for plane in chroma)]
    peak = (1 << like.bits) - 1
    for number, (plane, target) in enumerate(zip(planes, out, strict=True)):
        scale = _scale(like, number, color.full_range)
        samples = plane[0, 0] * scale.gain + scale.offset
        if not like.is_float:
            samples = samples.round_().clamp_(0, peak)
        np.copyto(target, samples.cpu().numpy(), casting="unsafe")
