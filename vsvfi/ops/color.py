"""Native planes to RGB tensors and back: one pass each way, in the samples' own type outside and fp32 inside.

Both ways are linear and exact inverses up to rounding: nothing is clamped before samples are quantised, and chroma is
resampled by a pair of filters whose product is the identity, so that still pictures come back as they were. These
operators have no derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from vsvfi.ops._launch import Extent, kernels_run_on, launch
from vsvfi.ops._operator import fake, gradient

__all__ = ["CENTER", "FIRST", "LAST", "Margins", "PlaneLayout", "planes_to_rgb", "rgb_to_planes"]

FIRST, CENTER, LAST = range(3)
"""Where a chroma sample lies on the two luma samples that it covers along an axis."""

FAMILIES = ("GRAY", "RGB", "YUV")
SAMPLE_TYPES = (torch.uint8, torch.uint16, torch.float16, torch.float32)

type Matrix = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]


class Margins(NamedTuple):
    """Pixels around a frame."""

    left: int = 0
    right: int = 0
    top: int = 0
    bottom: int = 0


NO_MARGINS = Margins()


class PlaneLayout(NamedTuple):
    """How a frame's planes lie in memory, one after the other without gaps, and what their samples mean.

    ``family`` is GRAY, RGB or YUV; ``subsampling`` counts the halvings of chroma across and down, ``sites`` says where
    its samples lie. Samples are ``value * gain + offset``, for luma and RGB in [0, 1] and for chroma in [-0.5, 0.5];
    integers go up to ``peak``. ``matrix`` makes RGB from YUV, ``inverse`` the other way.
    """

    width: int
    height: int
    family: str
    dtype: torch.dtype
    subsampling: tuple[int, int]
    sites: tuple[int, int]
    peak: int
    matrix: Matrix
    inverse: Matrix
    gain: tuple[float, float]
    offset: tuple[float, float]

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """The height and the width of each plane."""
        luma = (self.height, self.width)
        if self.family == "GRAY":
            return [luma]
        sub_x, sub_y = self.subsampling if self.family == "YUV" else (0, 0)
        return [luma, *[(self.height >> sub_y, self.width >> sub_x)] * 2]

    @property
    def size(self) -> int:
        """Samples of all planes."""
        return sum(height * width for height, width in self.shapes)

    def split(self, packed: Tensor) -> list[Tensor]:
        """The planes ``(h, w)`` of packed ones ``(size,)``: views."""
        parts = torch.split(packed, [height * width for height, width in self.shapes])
        return [part.view(shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def scaled(self, factor: int) -> PlaneLayout:
        """The layout of a frame ``factor`` times as wide and high."""
        return self._replace(width=self.width * factor, height=self.height * factor)


def planes_to_rgb(
    packed: Tensor, layout: PlaneLayout, margins: Margins = NO_MARGINS, dtype: torch.dtype = torch.float32
) -> Tensor:
    """A frame as ``(1, 3, H, W)``: nominal values in [0, 1], not clamped, its border repeated into the margins.

    Args:
        packed: the planes ``(layout.size,)`` in ``layout.dtype``.
        layout: what they are. Gray gives R = G = B.
        margins: around the frame.
        dtype: of the result.
    """
    assert packed.shape == (layout.size,), (packed.shape, layout)
    assert packed.dtype == layout.dtype
    if not kernels_run_on(packed.device):
        return _to_rgb(packed, layout, margins).to(dtype)
    height = layout.height + margins.top + margins.bottom
    width = layout.width + margins.left + margins.right
    sizes, factors = _sizes(layout, margins.left, margins.top, width, height), _factors(layout, layout.matrix)
    made = torch.float32 if packed.device.type == "cpu" else dtype
    rgb: Tensor = _planes_to_rgb(packed, sizes, factors, made)
    return rgb.to(dtype)


def rgb_to_planes(rgb: Tensor, layout: PlaneLayout, left: int = 0, top: int = 0) -> Tensor:
    """The planes ``(layout.size,)`` of the frame that lies at ``left``, ``top`` in ``rgb`` ``(1, 3, H, W)``.

    Integers are rounded, ties to even, and limited to what they can be; gray is the mean of R, G and B.
    """
    if not kernels_run_on(rgb.device):
        return _to_planes(rgb[..., top : top + layout.height, left : left + layout.width].float(), layout)
    rgb = rgb.contiguous()
    sizes, factors = _sizes(layout, left, top, rgb.shape[3], rgb.shape[2]), _factors(layout, layout.inverse)
    source = rgb.float() if rgb.device.type == "cpu" else rgb
    planes: Tensor = _rgb_to_planes(source, sizes, factors, layout.size, layout.dtype)
    return planes


def _sizes(layout: PlaneLayout, left: int, top: int, width: int, height: int) -> list[int]:
    family, samples = FAMILIES.index(layout.family), SAMPLE_TYPES.index(layout.dtype)
    subsampling = layout.subsampling if layout.family == "YUV" else (0, 0)
    frame = [layout.width, layout.height, left, top, width, height]
    return [*frame, family, samples, *subsampling, *layout.sites, layout.peak]


def _factors(layout: PlaneLayout, matrix: Matrix) -> list[float]:
    return [*(value for row in matrix for value in row), *layout.gain, *layout.offset]


@gradient("planes_to_rgb")
def _planes_to_rgb(packed: Tensor, sizes: Sequence[int], factors: Sequence[float], dtype: torch.dtype) -> Tensor:
    width, height = sizes[4:6]
    output = torch.empty(1, 3, height, width, dtype=dtype, device=packed.device)
    taps = 3 if max(sizes[8:10]) <= 1 else 9
    launch("planes_to_rgb", Extent(1, height, width), packed, output, *sizes, *factors, dtype=dtype, variant=taps)
    return output


@fake(_planes_to_rgb)
def _(packed: Tensor, sizes: Sequence[int], factors: Sequence[float], dtype: torch.dtype) -> Tensor:
    return torch.empty(1, 3, sizes[5], sizes[4], dtype=dtype, device=packed.device)


@gradient("rgb_to_planes")
def _rgb_to_planes(
    rgb: Tensor, sizes: Sequence[int], factors: Sequence[float], count: int, dtype: torch.dtype
) -> Tensor:
    output = torch.empty(count, dtype=dtype, device=rgb.device)
    extent = Extent(1, sizes[1], sizes[0])
    launch("rgb_to_planes", extent, rgb, output, *sizes, *factors, dtype=rgb.dtype, variant=1)
    return output


@fake(_rgb_to_planes)
def _(rgb: Tensor, sizes: Sequence[int], factors: Sequence[float], count: int, dtype: torch.dtype) -> Tensor:
    return torch.empty(count, dtype=dtype, device=rgb.device)


def _to_rgb(packed: Tensor, layout: PlaneLayout, margins: Margins) -> Tensor:
    """`planes_to_rgb` in plain torch."""
    planes = []
    for number, plane in enumerate(layout.split(packed)):
        kind = int(layout.family == "YUV" and number > 0)
        planes.append((plane.to(torch.float32)[None, None] - layout.offset[kind]) / layout.gain[kind])
    if layout.family == "GRAY":
        planes *= 3
    elif layout.family == "YUV":
        chroma = [_resample(plane, _double, layout) for plane in planes[1:]]
        planes = _mix([planes[0], *chroma], layout.matrix)
    rgb = torch.cat(planes, 1)
    return F.pad(rgb, margins, mode="replicate") if any(margins) else rgb


def _to_planes(rgb: Tensor, layout: PlaneLayout) -> Tensor:
    """`rgb_to_planes` in plain torch, of a frame without margins."""
    planes = [plane[:, None] for plane in rgb.unbind(1)]
    if layout.family == "GRAY":
        planes = [rgb.mean(1, keepdim=True)]
    elif layout.family == "YUV":
        luma, *chroma = _mix(planes, layout.inverse)
        planes = [luma, *(_resample(plane, _halve, layout) for plane in chroma)]
    packed = []
    for number, plane in enumerate(planes):
        kind = int(layout.family == "YUV" and number > 0)
        samples = plane.flatten() * layout.gain[kind] + layout.offset[kind]
        packed.append(samples if layout.dtype.is_floating_point else samples.round().clamp(0, layout.peak))
    return torch.cat(packed).to(layout.dtype)


def _mix(planes: Sequence[Tensor], matrix: Matrix) -> list[Tensor]:
    return [sum((c * p for c, p in zip(row, planes, strict=True)), start=torch.zeros_like(planes[0])) for row in matrix]


def _double(x: Tensor, dim: int, site: int) -> Tensor:
    """Twice the samples along an axis, by linear interpolation that `_halve` undoes exactly."""
    size = x.shape[dim]
    before = torch.cat([x.narrow(dim, 0, 1), x.narrow(dim, 0, size - 1)], dim)
    after = torch.cat([x.narrow(dim, 1, size - 1), x.narrow(dim, size - 1, 1)], dim)
    if site == FIRST:
        pair = (x, (x + after) / 2)
    elif site == LAST:
        pair = ((before + x) / 2, x)
    else:
        slope = (after - before) / 8
        pair = (x - slope, x + slope)
    return torch.stack(pair, dim + 1).flatten(dim, dim + 1)


def _halve(x: Tensor, dim: int, site: int) -> Tensor:
    pairs: Tensor = x.unflatten(dim, (-1, 2))
    first, second = pairs.unbind(dim + 1)
    if site == CENTER:
        return (first + second) / 2
    return first if site == FIRST else second


def _resample(x: Tensor, step: Callable[[Tensor, int, int], Tensor], layout: PlaneLayout) -> Tensor:
    for dim, times, site in zip((3, 2), layout.subsampling, layout.sites, strict=True):
        for _ in range(times):
            x = step(x, dim, site)
    return x
