"""Optical flow in both directions, carried to the new instant, where both frames are sampled and blended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsvfi.compiled import flow as kernels
from vsvfi.models.info import BackendInfo, Options, PlaneFrame

__all__ = ["FlowBackend"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a quality.

    Luma shrinks by ``shrink`` before motion is estimated; the vectors lie on a grid of ``cell`` samples of that.
    ``stride`` to ``step`` are explained in kernels/flow/search.cpp, ``tolerance`` to ``texture`` in `kernels.render`.
    """

    shrink: int
    cell: int
    stride: int
    propagations: int
    iterations: int
    range: int
    step: int
    tolerance: float
    taps: int
    texture: bool


QUALITIES = {
    "fast": Settings(
        shrink=2,
        cell=2,
        stride=5,
        propagations=1,
        iterations=3,
        range=12,
        step=2,
        tolerance=1.25,
        taps=4,
        texture=False,
    ),
    "balanced": Settings(
        shrink=1, cell=4, stride=5, propagations=2, iterations=3, range=16, step=1, tolerance=0.3, taps=8, texture=True
    ),
    "best": Settings(
        shrink=1, cell=2, stride=3, propagations=4, iterations=4, range=16, step=1, tolerance=0.2, taps=8, texture=True
    ),
}


@dataclass(frozen=True, slots=True)
class FlowState:
    """What is known about a pair of frames, whatever the timestep."""

    window: tuple[PlaneFrame, ...]
    vectors: tuple[kernels.Vectors, kernels.Vectors]


class FlowBackend:
    """Dense inverse search (Kroeger et al., ECCV 2016) both ways, forward projection, occlusion-aware blending."""

    def __init__(self, info: BackendInfo, options: Options) -> None:
        self.info = info
        self.settings = QUALITIES[options.quality or "balanced"]
        self.shrink = max(1, round(self.settings.shrink / options.flow_scale))
        names = [name for name, *_ in kernels.Search._fields_]
        self._spaces: list[NDArray[np.float32]] = []
        self.search = kernels.Search(**{name: getattr(self.settings, name) for name in names})

    def encode(self, frame: PlaneFrame) -> kernels.Pyramid:
        """Luma that motion is estimated on."""
        return kernels.pyramid(frame.luma_planes, frame.bits, self.shrink)

    def prepare(self, window: Sequence[PlaneFrame], encoded: Sequence[Any]) -> FlowState:
        """Flow both ways and how far it can be trusted."""
        first, second = encoded
        forward = kernels.search(first, second, self.search)
        backward = kernels.search(second, first, self.search)
        return FlowState(tuple(window), kernels.consistency(forward, backward, first, second, self.settings.cell))

    def synthesize(self, state: FlowState, timestep: Fraction, out: Sequence[NDArray[Any]]) -> None:
        """Draw the frame at ``timestep``."""
        space = self._space(kernels.projection_size(state.vectors))
        motion = kernels.project(state.vectors, timestep, space)
        first, second = state.window
        kernels.render(
            first.planes, second.planes, first.bits, motion, timestep, out,
            tolerance=self.settings.tolerance, taps=self.settings.taps, texture=self.settings.texture,
        )  # fmt: skip
        self._spaces.append(space)

    def _space(self, size: int) -> NDArray[np.float32]:
        try:
            space = self._spaces.pop()
        except IndexError:  # every thread that draws has its own
            return np.empty(size, np.float32)
        return space if space.size == size else np.empty(size, np.float32)
