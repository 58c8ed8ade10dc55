"""A cross-fade on native planes: arrays that share the frames' memory, in the clip's own format."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsvfi.api import BackendInfo, Options, PlaneFrame

__all__ = ["CrossFade"]


class CrossFade:
    """A `vsvfi.api.PlaneBackend`."""

    def __init__(self, info: BackendInfo, options: Options) -> None:
        self.info = info
        self.options = options

    def encode(self, frame: PlaneFrame) -> None:
        """What depends on one frame alone, computed once per frame: nothing."""

    def prepare(self, window: Sequence[PlaneFrame], encoded: Sequence[None]) -> tuple[PlaneFrame, PlaneFrame]:
        """What depends on the window, computed once however many frames are made of it."""
        first, second = window
        return first, second

    def synthesize(self, state: tuple[PlaneFrame, PlaneFrame], timestep: Fraction, out: Sequence[NDArray[Any]]) -> None:
        """Write the new frame into ``out``."""
        t = float(timestep)
        for first, second, target in zip(state[0].planes, state[1].planes, out, strict=True):
            mixed = (1 - t) * first.astype(np.float32) + t * second.astype(np.float32)
            target[...] = mixed if target.dtype.kind == "f" else np.rint(mixed)
