"""AMT behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from vsvfi.backends.amt.network import AMT, Pair
from vsvfi.backends.base import TorchBackend

__all__ = ["AMTBackend"]


class AMTBackend(TorchBackend):
    """Features and correlations once per pair (they depend on the mean of both frames), flows once per new frame."""

    network: AMT

    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Any]) -> Pair:
        """Features and correlations."""
        del encoded
        frame0, frame1 = window
        return self.network.prepare(frame0, frame1, float(self.options.flow_scale))

    def synthesize(self, state: Pair, timesteps: Tensor) -> Tensor:
        """All timesteps in one batch."""
        return self.network.render(state, self.network.fields(state, timesteps))
