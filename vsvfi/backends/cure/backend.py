"""CURE behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import override

from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.backends.cure.network import CURE, CUREState, Frame

__all__ = ["CUREBackend"]


class CUREBackend(TorchBackend):
    """Features once per frame, flows once per pair."""

    network: CURE

    @override
    def encode(self, frame: Tensor) -> Frame:
        """The frame's features, and those of the flow estimator."""
        return self.network.encode(frame)

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Frame]) -> CUREState:
        """The flows in both directions."""
        del window
        first, second = encoded
        return self.network.prepare(first, second)

    @override
    def synthesize(self, state: CUREState, timesteps: Tensor) -> Tensor:
        """All timesteps in one batch."""
        return self.network.synthesize(state, timesteps)
