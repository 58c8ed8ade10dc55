"""AMT behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import override

from torch import Tensor

from vsvfi.backends.amt.network import AMT, Pair
from vsvfi.backends.whole import MeanBackend

__all__ = ["AMTBackend"]


class AMTBackend(MeanBackend):
    """Features and correlations once per pair (they depend on the mean of both frames), flows once per new frame."""

    network: AMT

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Tensor]) -> Pair:
        """Features and correlations."""
        frame0, frame1 = window
        mean = (encoded[0] + encoded[1]) / 2
        return self.network.prepare(frame0, frame1, mean, float(self.options.flow_scale))

    @override
    def synthesize(self, state: Pair, timesteps: Tensor) -> Tensor:
        """All timesteps in one batch."""
        return self.network.render(state, self.network.fields(state, timesteps))
