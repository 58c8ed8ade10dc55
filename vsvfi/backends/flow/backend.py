"""Optical flow in both directions, carried to the new instant, where both frames are sampled and blended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsvfi.backend import BackendInfo, Options, PlaneFrame
from vsvfi.backends.flow import kernels

__all__ = ["FlowBackend"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a quality stands for: how far luma shrinks before the search, and the search's settings."""

    shrink: int
    search: kernels.Search


QUALITIES = {
    "fast": Settings(2, kernels.Search(finest=0, stride=4, rounds=1, iterations=8)),
    "balanced": Settings(1, kernels.Search(finest=0, stride=4, rounds=2, iterations=12)),
    "best": Settings(1, kernels.Search(finest=0, stride=2, rounds=2, iterations=16)),
}


@dataclass(frozen=True, slots=True)
class Pair:
    """What is known about a pair of frames, whatever the timestep."""

    window: Sequence[PlaneFrame]
    forward: tuple[NDArray[np.float32], NDArray[np.float32]]
    backward: tuple[NDArray[np.float32], NDArray[np.float32]]
    trusts: tuple[NDArray[np.float32], NDArray[np.float32]]


class FlowBackend:
    """Dense inverse search (Kroeger et al., ECCV 2016) both ways, forward projection, occlusion-aware blending."""

    def __init__(self, info: BackendInfo, options: Options) -> None:
        self.info = info
        self.settings = QUALITIES[options.quality or "balanced"]
        self.shrink = max(1, round(self.settings.shrink / options.flow_scale))

    def encode(self, frame: PlaneFrame) -> kernels.Pyramid:
        """Luma that motion is estimated on."""
        return kernels.pyramid(frame, self.shrink)

    def prepare(self, window: Sequence[PlaneFrame], encoded: Sequence[Any]) -> Pair:
        """Flow both ways and how far it can be trusted."""
        first, second = encoded
        forward = kernels.search(first, second, self.settings.search)
        backward = kernels.search(second, first, self.settings.search)
        return Pair(window, forward, backward, (kernels.trust(forward, backward), kernels.trust(backward, forward)))

    def synthesize(self, state: Pair, timestep: Fraction, out: Sequence[NDArray[Any]]) -> None:
        """Draw the frame at ``timestep``."""
        motion = kernels.project(state.forward, state.backward, state.trusts, timestep)
        kernels.render(state.window[0], state.window[1], motion, timestep, out)
