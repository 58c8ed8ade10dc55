"""Zooming Slow-Mo behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import override

from torch import Tensor

from vsvfi.backends.base import MidpointBackend
from vsvfi.backends.zooming_slow_mo.network import Pyramid, ZoomingSlowMo

__all__ = ["ZoomingSlowMoBackend"]


class ZoomingSlowMoBackend(MidpointBackend):
    """Features once a frame, the sequence once a window; frames are reconstructed one by one as they are asked for."""

    network: ZoomingSlowMo

    @override
    def encode(self, frame: Tensor) -> Pyramid:
        """The features of one frame."""
        return self.network.encode(frame)

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Pyramid]) -> list[Tensor]:
        """The aggregated features of all frames, given and missing in turn."""
        return self.network.prepare(encoded)

    @override
    def middle(self, state: list[Tensor]) -> Tensor:
        """The frame in the middle of the window, four times the size."""
        return self.network.synthesize(state[len(state) // 2])

    @override
    def source_frame(self, state: list[Tensor], index: int) -> Tensor:
        """Frame ``index`` of the window, four times the size."""
        return self.network.synthesize(state[2 * index])
