"""GMFSS behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import override

from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.backends.gmfss.network import GMFSS, Frame, GMFSSState

__all__ = ["GMFSSBackend"]


class GMFSSBackend(TorchBackend):
    """Features once per frame, flows and metrics once per pair, splatting and fusion once per new frame."""

    network: GMFSS

    @override
    def encode(self, frame: Tensor) -> Frame:
        """The halved frame and its features."""
        return self.network.encode(frame, float(self.options.flow_scale))

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Frame]) -> GMFSSState:
        """Flows and metrics."""
        del window
        return self.network.prepare(encoded[0], encoded[1], float(self.options.flow_scale))

    @override
    def synthesize(self, state: GMFSSState, timesteps: Tensor) -> Tensor:
        """All timesteps in one batch."""
        return self.network.synthesize(state, timesteps)
