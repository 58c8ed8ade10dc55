"""IFRNet behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import override

from torch import Tensor

from vsvfi.backends.ifrnet.network import IFRNet, Pair
from vsvfi.backends.whole import MeanBackend

__all__ = ["IFRNetBackend"]


class IFRNetBackend(MeanBackend):
    """Features once per pair (they depend on the mean of both frames), decoders once per new frame."""

    network: IFRNet

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
