"""Holds a backend to its contract: what it wrote into planes, and what numbers are in them. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsvfi.errors import VsvfiError
from vsvfi.models.info import BackendInfo

__all__ = ["MarkedPlanes", "broken_contract"]

MARKS = 8
"""Samples of a row, and of a column, that are marked: by chance a picture equals all of them once in 2^64 rows."""


def broken_contract(info: BackendInfo, what: str) -> VsvfiError:
    """The error that says what a backend did wrong."""
    return VsvfiError(f"model {info.name!r} {what}; this is a bug of that model")


class MarkedPlanes:
    """Planes with marks in them, so that rows and columns that a backend does not write are found."""

    def __init__(self, planes: Sequence[NDArray[Any]]) -> None:
        self._marked = [(part, _marks(part.shape, part.dtype)) for plane in planes for part in _lines(plane)]
        for part, marks in self._marked:
            part[...] = marks

    def check(self, info: BackendInfo, planes: Sequence[NDArray[Any]]) -> None:
        """Look at what was written.

        Raises:
            VsvfiError: a row or a column was not, or holds what is no number.
        """
        for part, marks in self._marked:
            if (part == marks).all(axis=1).any():
                raise broken_contract(info, "did not write all samples of the new frame")
        if planes[0].dtype.kind == "f" and not all(np.isfinite(plane).all() for plane in planes):
            raise broken_contract(info, "made a frame that holds NaN or infinity")


def _lines(plane: NDArray[Any]) -> list[NDArray[Any]]:
    """Views (lines, `MARKS`) of some samples of every row, and of every column; none where a plane is too small."""
    return [lines[:, :: lines.shape[1] // MARKS][:, :MARKS] for lines in (plane, plane.T) if lines.shape[1] >= MARKS]


@lru_cache(maxsize=32)
def _marks(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    values = np.random.default_rng(0).integers(0, 256, shape)
    return values.astype(dtype) / 257 if dtype.kind == "f" else values.astype(dtype)
