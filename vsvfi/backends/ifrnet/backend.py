"""IFRNet behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import override

from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.backends.ifrnet.network import IFRNet, Pair
from vsvfi.nets.ifr import mean_of

__all__ = ["IFRNetBackend"]


class IFRNetBackend(TorchBackend):
    """Features once per pair (they depend on the mean of both frames), decoders once per new frame."""

    network: IFRNet

    # Tiles that took their own mean would differ in brightness.
    encodes_whole = True

    @override
    def encode(self, frame: Tensor) -> Tensor:
        """The mean of a frame."""
        return mean_of(frame)

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Tensor]) -> Pair:
        """The features of both frames."""
        frame0, frame1 = window
        mean = (encoded[0] + encoded[1]) / 2
        return self.network.encode(frame0, frame1, mean, float(self.options.flow_scale))

    @override
    def synthesize(self, state: Pair, timesteps: Tensor) -> Tensor:
        """All timesteps in one batch."""
        return self.network.decode(state, timesteps)
