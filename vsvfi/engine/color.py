"""What the samples of a frame mean: its planes' layout for `vsvfi.ops.color`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsvfi.engine.frames import Color
from vsvfi.models.info import PlaneFrame
from vsvfi.ops.color import CENTER, FIRST, LAST, PlaneLayout, planes_to_rgb
from vsvfi.ops.color import rgb_to_planes as pack_rgb

__all__ = ["layout_of", "pack", "rgb_to_planes", "to_rgb", "unpack"]

type Matrix = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]

# Kr and Kb by matrix code point (ITU-T H.273, table 4). Constant-luminance and ICtCp material goes through the
# coefficients of BT.2020: any invertible mapping will do, as its inverse is applied afterwards.
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


@cache
def _yuv_to_rgb(matrix: int) -> Matrix:
    if matrix == _YCGCO:
        return ((1.0, -1.0, 1.0), (1.0, 1.0, 0.0), (1.0, -1.0, -1.0))
    kr, kb = _LUMA_WEIGHTS.get(matrix, _LUMA_WEIGHTS[_BT2020])
    kg = 1 - kr - kb
    red, blue = 2 * (1 - kr), 2 * (1 - kb)
    return ((1.0, 0.0, red), (1.0, -blue * kb / kg, -red * kr / kg), (1.0, blue, 0.0))


@cache
def _rgb_to_yuv(matrix: int) -> Matrix:
    first, second, third = np.linalg.inv(np.array(_yuv_to_rgb(matrix))).tolist()
    return tuple(first), tuple(second), tuple(third)


def _scale(frame: PlaneFrame, full: bool) -> tuple[tuple[float, float], tuple[float, float]]:
    """The gains and the offsets of luma (or RGB) and of chroma."""
    if frame.is_float:
        return (1.0, 1.0), (0.0, 0.0)
    step = 1 << (frame.bits - 8)
    if full:
        peak = (1 << frame.bits) - 1
        return (peak, peak), (0.0, 128 * step)
    return (219 * step, 224 * step), (16 * step, 128 * step)


def _sites(chroma_location: int) -> tuple[int, int]:
    horizontal = FIRST if chroma_location in (0, 2, 4) else CENTER
    vertical = {2: FIRST, 3: FIRST, 4: LAST, 5: LAST}.get(chroma_location, CENTER)
    return horizontal, vertical


def layout_of(frame: PlaneFrame, color: Color) -> PlaneLayout:
    """How the planes of a frame lie once they are packed, and what their samples mean."""
    height, width = frame.planes[0].shape
    gain, offset = _scale(frame, color.full_range)
    return PlaneLayout(
        width=width,
        height=height,
        family=frame.family,
        dtype=_dtype(frame.planes[0]),
        subsampling=frame.subsampling,
        sites=_sites(color.chroma_location),
        peak=0 if frame.is_float else (1 << frame.bits) - 1,
        matrix=_yuv_to_rgb(color.matrix),
        inverse=_rgb_to_yuv(color.matrix),
        gain=gain,
        offset=offset,
    )


def _dtype(plane: NDArray[Any]) -> torch.dtype:
    return torch.from_numpy(np.empty(0, plane.dtype)).dtype


def pack(planes: Sequence[NDArray[Any]], layout: PlaneLayout, packed: Tensor) -> None:
    """Copy planes into packed ones on the CPU ``(layout.size,)``."""
    for plane, target in zip(planes, layout.split(packed), strict=True):
        np.copyto(target.numpy(), plane)


def unpack(packed: Tensor, layout: PlaneLayout, planes: Sequence[NDArray[Any]]) -> None:
    """Copy packed planes on the CPU ``(layout.size,)`` into those of a frame."""
    for source, plane in zip(layout.split(packed), planes, strict=True):
        np.copyto(plane, source.numpy())


def to_rgb(frame: PlaneFrame, color: Color, device: torch.device) -> Tensor:
    """A frame as ``(1, 3, H, W)`` fp32 on ``device``; nominal values in [0, 1], not clamped. Gray gives R = G = B."""
    layout = layout_of(frame, color)
    packed = torch.empty(layout.size, dtype=layout.dtype)
    pack(frame.planes, layout, packed)
    return planes_to_rgb(packed.to(device), layout)


def rgb_to_planes(rgb: Tensor, like: PlaneFrame, color: Color, out: Sequence[NDArray[Any]]) -> None:
    """Write ``(1, 3, H, W)`` RGB into planes of the format of ``like``; integers are rounded and clamped."""
    height, width = rgb.shape[2:]
    layout = layout_of(like, color)._replace(width=width, height=height)
    unpack(pack_rgb(rgb, layout).cpu(), layout, out)
