"""RIFE 4 behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import override

from torch import Tensor

from vsvfi.api import TorchBackend
from vsvfi_rife.network import FramePair, IFNet

__all__ = ["RIFEBackend"]


class RIFEBackend(TorchBackend):
    """Features once per frame; everything else depends on the timestep.

    ``quality="best"`` averages every estimate with the one for exchanged frames, where the version can.
    """

    network: IFNet

    @override
    def encode(self, frame: Tensor) -> Tensor:
        """The head's features of the frame."""
        return self.network.encode(frame)

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Tensor]) -> FramePair:
        """Frames and features together: RIFE's motion is that of one timestep."""
        return self.network.prepare(*window, *encoded)

    @override
    def synthesize(self, state: FramePair, timesteps: Tensor) -> Tensor:
        """All timesteps in one batch."""
        return self.network.synthesize(
            state,
            timesteps,
            flow_scale=float(self.options.flow_scale),
            ensemble=self.options.quality == "best",
        )
