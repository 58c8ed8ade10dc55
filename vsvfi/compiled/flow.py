"""The compiled kernels of the flow backend, called through ctypes on numpy arrays."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsvfi.compiled import library

__all__ = [
    "Pyramid",
    "Search",
    "Vectors",
    "consistency",
    "luma",
    "project",
    "projection_size",
    "pyramid",
    "render",
    "search",
]

type Planes = Sequence[NDArray[Any]]
type Floats = NDArray[np.float32]
type Flow = tuple[Floats, Floats]
type Vectors = NDArray[np.float32]
"""Vectors on a grid, (H, W, 4): see struct Vector in kernels/flow/field.h."""


LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B in luma (BT.601); motion does not care which matrix."""


class Plane(ctypes.Structure):
    """One plane as the kernels see it (struct Plane in kernels/flow/samples.h)."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("stride", ctypes.c_int64),
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("kind", ctypes.c_int32),
        ("peak", ctypes.c_float),
    )


KINDS = {np.dtype(np.uint8): 0, np.dtype(np.uint16): 1, np.dtype(np.float16): 2, np.dtype(np.float32): 3}


@cache
def _library() -> ctypes.CDLL:
    found = library.require()
    found.vsvfi_flow_pyramid_size.restype = ctypes.c_int64
    found.vsvfi_flow_project_size.restype = ctypes.c_int64
    return found


def _plane(array: NDArray[Any], bits: int) -> Plane:
    if array.shape[1] > 1 and array.strides[1] != array.itemsize:
        raise ValueError("samples of a row must lie next to one another")
    peak = float((1 << bits) - 1) if array.dtype.kind == "u" else 1.0
    return Plane(array.ctypes.data, array.strides[0], array.shape[1], array.shape[0], KINDS[array.dtype], peak)


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _describe(planes: Planes, bits: int, shrink: int) -> tuple[Any, Any, int, int, int]:
    """The planes that luma is made of, their weights and number, and the width and height of shrunk luma."""
    height, width = (-(-size // shrink) for size in planes[0].shape)
    described = (Plane * len(planes))(*(_plane(plane, bits) for plane in planes))
    weights = (ctypes.c_float * 3)(*(LUMA if len(planes) == 3 else (1.0, 0.0, 0.0)))
    return described, weights, len(planes), width, height


def luma(planes: Planes, bits: int, shrink: int) -> NDArray[np.uint8]:
    """Luma as bytes, averaged over ``shrink`` x ``shrink`` samples; sizes are rounded up.

    ``planes`` are R, G and B, or Y alone; ``bits`` counts the bits that a sample uses.
    """
    described, weights, count, width, height = _describe(planes, bits, shrink)
    out = np.empty((height, width), np.uint8)
    _library().vsvfi_flow_luma(described, weights, count, shrink, _pointer(out), width, height)
    return out


@dataclass(frozen=True, slots=True)
class Pyramid:
    """Luma of a frame and its halves, as the kernels lay them out (kernels/flow/pyramid.h)."""

    data: Floats
    width: int
    height: int


def pyramid(planes: Planes, bits: int, shrink: int) -> Pyramid:
    """The pyramid of a frame's luma (of planes as `luma` takes them), averaged over ``shrink`` x ``shrink`` first."""
    described, weights, count, width, height = _describe(planes, bits, shrink)
    data = np.empty(_library().vsvfi_flow_pyramid_size(width, height), np.float32)
    _library().vsvfi_flow_pyramid(described, weights, count, shrink, width, height, _pointer(data))
    return Pyramid(data, width, height)


class Search(ctypes.Structure):
    """Settings of the search (struct SearchSettings in kernels/flow/search.cpp)."""

    _fields_ = (
        ("cell", ctypes.c_int32),
        ("stride", ctypes.c_int32),
        ("propagations", ctypes.c_int32),
        ("iterations", ctypes.c_int32),
        ("range", ctypes.c_int32),
        ("step", ctypes.c_int32),
    )


def search(source: Pyramid, target: Pyramid, settings: Search) -> Flow:
    """Flow from one frame to another, in samples of the pyramids: x and y, one value for each cell x cell of them."""
    height, width = (-(-size // settings.cell) for size in (source.height, source.width))
    x, y = (np.empty((height, width), np.float32) for _ in range(2))
    _library().vsvfi_flow_search(
        _pointer(source.data), _pointer(target.data), source.width, source.height, ctypes.byref(settings),
        _pointer(x), _pointer(y),
    )  # fmt: skip
    return x, y


def consistency(forward: Flow, backward: Flow, first: Pyramid, second: Pyramid, cell: int) -> tuple[Vectors, Vectors]:
    """Flows of both directions, checked against each other: vectors (x, y, doubt, trust) on a grid, (H, W, 4).

    Outliers are removed, and what one frame alone sees takes the motion of what is like it.
    """
    vectors = (np.empty((*forward[0].shape, 4), np.float32), np.empty((*forward[0].shape, 4), np.float32))
    _library().vsvfi_flow_consistency(
        *(_pointer(plane) for plane in (*forward, *backward, first.data, second.data)), first.width, first.height, cell,
        *(_pointer(plane) for plane in vectors),
    )  # fmt: skip
    return vectors


def projection_size(vectors: tuple[Vectors, Vectors]) -> int:
    """How many floats `project` works in."""
    height, width = vectors[0].shape[:2]
    return int(_library().vsvfi_flow_project_size(width, height))


def project(vectors: tuple[Vectors, Vectors], timestep: Fraction, space: Floats) -> Floats:
    """The motion at ``timestep``, first frame to second: (4, H, W), x, y, doubt, the first frame's share.

    It lies in ``space``, of `projection_size`, and lasts until that is used again: new memory costs as much as the
    work.
    """
    if space.size != projection_size(vectors):
        raise ValueError(f"project works in {projection_size(vectors)} floats, got {space.size}")
    height, width = vectors[0].shape[:2]
    _library().vsvfi_flow_project(
        *(_pointer(plane) for plane in vectors), width, height, ctypes.c_float(float(timestep)), _pointer(space)
    )
    return space[: 4 * height * width].reshape(4, height, width)


def render(
    first: Planes,
    second: Planes,
    bits: int,
    motion: Floats,
    timestep: Fraction,
    out: Sequence[NDArray[Any]],
    *,
    tolerance: float,
    taps: int,
    texture: bool = False,
) -> None:
    """Draw the planes ``out`` at ``timestep`` from two frames and the motion that `project` returned.

    Samples near one another share one motion where it differs by less than ``tolerance`` samples; ``taps`` is the
    size of the interpolation kernel, 4 or 8. ``texture`` raises the fine detail of the blend to that of the frames, in
    planes of the full size: subsampled ones have none to speak of.
    """
    height, width = motion.shape[1:]
    space = np.empty(out[0].size, np.float64) if texture else None
    for before, after, target in zip(first, second, out, strict=True):
        where = _pointer(space) if space is not None and target.shape == out[0].shape else None
        _library().vsvfi_flow_render(
            *(ctypes.byref(_plane(plane, bits)) for plane in (before, after, target)), where, _pointer(motion),
            width, height, ctypes.c_float(float(timestep)), ctypes.c_float(tolerance), taps,
        )  # fmt: skip
