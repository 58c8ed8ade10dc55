"""The compiled kernel of scene detection."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np
from numpy.typing import NDArray

from vsvfi.compiled import library

__all__ = ["difference"]


def difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """How unlike two thumbnails ``(H, W)`` are once motion and brightness are set aside.

    0 the same, about 1 nothing in common. See kernels/flow/scene_difference.cpp.
    """
    height, width = first.shape
    pointers = (ctypes.c_void_p(thumbnail.ctypes.data) for thumbnail in (first, second))
    return float(_library().vsvfi_scene_difference(*pointers, width, height))


@cache
def _library() -> ctypes.CDLL:
    found = library.require()
    found.vsvfi_scene_difference.restype = ctypes.c_float
    return found
