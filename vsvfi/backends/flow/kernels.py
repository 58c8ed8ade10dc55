"""The compiled kernels of the flow backend, called through ctypes on numpy arrays."""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import vsvfi
from vsvfi.backend import PlaneFrame

__all__ = ["luma", "project", "render", "trust"]

type Floats = NDArray[np.float32]

LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B in luma (BT.601); motion does not care which matrix."""


class Plane(ctypes.Structure):
    """One plane as the kernels see it (struct Plane in kernels/flow_samples.h)."""

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
    suffix = {"win32": ".dll"}.get(sys.platform, ".so")
    prefix = "" if sys.platform == "win32" else "lib"
    names = [f"{prefix}vsvfi_kernels{suffix}"]
    if platform.machine().lower() in ("x86_64", "amd64") and _has_avx2():
        names.insert(0, f"{prefix}vsvfi_kernels_v3{suffix}")
    for name in names:
        for folder in vsvfi.__path__:
            path = Path(folder) / "native" / name
            if path.is_file():
                return ctypes.CDLL(str(path))
    raise RuntimeError("the compiled kernels of vsvfi are missing; reinstall the package (see `vsvfi doctor`)")


def _has_avx2() -> bool:
    try:
        return " avx2 " in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def _plane(array: NDArray[Any], bits: int) -> Plane:
    if array.shape[1] > 1 and array.strides[1] != array.itemsize:
        raise ValueError("samples of a row must lie next to one another")
    peak = float((1 << bits) - 1) if array.dtype.kind == "u" else 1.0
    return Plane(array.ctypes.data, array.strides[0], array.shape[1], array.shape[0], KINDS[array.dtype], peak)


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def luma(frame: PlaneFrame, shrink: int) -> NDArray[np.uint8]:
    """Luma of a frame as bytes, averaged over ``shrink`` x ``shrink`` samples; sizes are rounded up."""
    planes = frame.planes if frame.family == "RGB" else frame.planes[:1]
    height, width = (-(-size // shrink) for size in planes[0].shape)
    described = (Plane * len(planes))(*(_plane(plane, frame.bits) for plane in planes))
    weights = (ctypes.c_float * 3)(*(LUMA if len(planes) == 3 else (1.0, 0.0, 0.0)))
    out = np.empty((height, width), np.uint8)
    sums = np.empty(width, np.float32)
    _library().vsvfi_flow_luma(described, weights, len(planes), shrink, _pointer(out), width, height, _pointer(sums))
    return out


def trust(flow: Floats, back: Floats) -> Floats:
    """How far each vector of ``flow`` (H, W, 2) can be trusted, (H, W) in (0, 1]: does ``back`` lead home?"""
    height, width = flow.shape[:2]
    out = np.empty((height, width), np.float32)
    _library().vsvfi_flow_trust(_pointer(flow), _pointer(back), width, height, _pointer(out))
    return out


def project(
    forward: Floats, backward: Floats, trusts: tuple[Floats, Floats], timestep: Fraction
) -> tuple[Floats, Floats, Floats]:
    """The motion at ``timestep`` (x and y, from the first frame to the second), and the first frame's share there."""
    height, width = forward.shape[:2]
    x, y, share = (np.empty((height, width), np.float32) for _ in range(3))
    _library().vsvfi_flow_project(
        _pointer(forward), _pointer(backward), _pointer(trusts[0]), _pointer(trusts[1]), width, height,
        ctypes.c_float(float(timestep)), _pointer(x), _pointer(y), _pointer(share),
    )  # fmt: skip
    return x, y, share


def render(
    first: PlaneFrame,
    second: PlaneFrame,
    motion: tuple[Floats, Floats, Floats],
    timestep: Fraction,
    out: Sequence[NDArray[Any]],
) -> None:
    """Draw the planes ``out`` at ``timestep`` from two frames and the motion that `project` returned."""
    height, width = motion[0].shape
    for before, after, target in zip(first.planes, second.planes, out, strict=True):
        _library().vsvfi_flow_render(
            ctypes.byref(_plane(before, first.bits)), ctypes.byref(_plane(after, first.bits)),
            ctypes.byref(_plane(target, first.bits)), _pointer(motion[0]), _pointer(motion[1]), _pointer(motion[2]),
            width, height, ctypes.c_float(float(timestep)),
        )  # fmt: skip
