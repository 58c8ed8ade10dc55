"""IFRNet behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.backends.ifrnet.network import IFRNet, Pair

__all__ = ["IFRNetBackend"]


class IFRNetBackend(TorchBackend):
    """Features once per pair (they depend on the mean of both frames), decoders once per new frame."""

    network: IFRNet

    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Any]) -> Pair:
        """The features of both frames."""
        del encoded
        frame0, frame1 = window
        return self.network.encode(frame0, frame1, float(self.options.flow_scale))

    def synthesize(self, state: Pair, timesteps: Tensor) -> Tensor:
        """All timesteps in one batch."""
        return self.network.decode(state, timesteps)
