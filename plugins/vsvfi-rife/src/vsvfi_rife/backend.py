"""RIFE 4 behind the filter."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi_rife.network import IFNet, Pair

__all__ = ["RIFEBackend"]


class RIFEBackend(TorchBackend):
    """Features once per frame; everything else depends on the timestep.

    ``quality="best"`` averages every estimate with the one for exchanged frames, where the version can.
    """

    network: IFNet

    def encode(self, frame: Tensor) -> Tensor:
        """The head's features of the frame."""
        return self.network.features(frame)

    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Tensor]) -> Pair:
        """Frames and features together: RIFE's motion is that of one timestep."""
        return self.network.pair(*window, *encoded)

    def synthesize(self, state: Pair, timesteps: Tensor) -> Tensor:
        """All timesteps in one batch."""
        return self.network.decode(
            state,
            timesteps,
            flow_scale=float(self.options.flow_scale),
            ensemble=self.options.quality == "best",
        )
