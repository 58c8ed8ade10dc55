"""Optical flow in both directions, carried to the new instant, where both frames are sampled and blended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vsvfi.backend import BackendInfo, Options, PlaneFrame
from vsvfi.backends.flow import kernels

__all__ = ["FlowBackend"]

SMALLEST = 32
"""Pixels that the flow needs in each direction; smaller pictures are padded by replication."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a quality stands for: how far luma shrinks, and the finest scale and patch stride of DIS on it."""

    shrink: int
    finest: int
    stride: int
    iterations: int


QUALITIES = {
    "fast": Settings(shrink=2, finest=1, stride=4, iterations=12),
    "balanced": Settings(shrink=1, finest=1, stride=3, iterations=16),
    "best": Settings(shrink=1, finest=0, stride=3, iterations=25),
}


@dataclass(frozen=True, slots=True)
class Pair:
    """What is known about a pair of frames, whatever the timestep."""

    window: Sequence[PlaneFrame]
    forward: NDArray[np.float32]
    backward: NDArray[np.float32]
    trusts: tuple[NDArray[np.float32], NDArray[np.float32]]


class FlowBackend:
    """Dense inverse search (Kroeger et al., ECCV 2016) both ways, forward projection, occlusion-aware blending."""

    def __init__(self, info: BackendInfo, options: Options) -> None:
        self.info = info
        self.settings = QUALITIES[options.quality or "balanced"]
        self.shrink = max(1, round(self.settings.shrink / options.flow_scale))

    def encode(self, frame: PlaneFrame) -> NDArray[np.uint8]:
        """Luma that motion is estimated on."""
        return kernels.luma(frame, self.shrink)

    def prepare(self, window: Sequence[PlaneFrame], encoded: Sequence[Any]) -> Pair:
        """Flow both ways and how far it can be trusted."""
        first, second = encoded
        forward, backward = self._flow(first, second), self._flow(second, first)
        return Pair(window, forward, backward, (kernels.trust(forward, backward), kernels.trust(backward, forward)))

    def synthesize(self, state: Pair, timestep: Fraction, out: Sequence[NDArray[Any]]) -> None:
        """Draw the frame at ``timestep``."""
        motion = kernels.project(state.forward, state.backward, state.trusts, timestep)
        kernels.render(state.window[0], state.window[1], motion, timestep, out)

    def _flow(self, source: NDArray[np.uint8], target: NDArray[np.uint8]) -> NDArray[np.float32]:
        # A new estimator each time: it keeps buffers, and several threads call.
        estimator = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore[attr-defined]
        estimator.setFinestScale(self.settings.finest)
        estimator.setPatchStride(self.settings.stride)
        estimator.setGradientDescentIterations(self.settings.iterations)
        height, width = source.shape
        if min(height, width) < SMALLEST:
            pad = ((0, max(0, SMALLEST - height)), (0, max(0, SMALLEST - width)))
            source, target = (np.pad(picture, pad, "edge") for picture in (source, target))
        flow = estimator.calc(source, target, None)[:height, :width]
        return np.ascontiguousarray(np.nan_to_num(flow, nan=0.0, posinf=0.0, neginf=0.0), np.float32)
