"""AMT behind the filter."""

from __future__ import annotations

import copy
from typing import Self, cast, override

import torch
from torch import Tensor

from vsvfi.backends.amt.network import AMT, AMTState
from vsvfi.backends.base import MeanBackend
from vsvfi.nets.fused import fused

__all__ = ["AMTBackend"]


class AMTBackend(MeanBackend):
    """Features and correlations once per pair (they depend on the mean of both frames), flows once per new frame."""

    network: AMT

    @override
    def fused(self, dtype: torch.dtype) -> Self:
        """Weights in ``dtype``, layers joined."""
        made = copy.copy(self)
        made.network = cast(AMT, fused(self.network, dtype))
        return made

    @override
    def prepare_pair(self, frame0: Tensor, frame1: Tensor, mean: Tensor) -> AMTState:
        """Features and correlations."""
        return self.network.prepare(frame0, frame1, mean, float(self.options.flow_scale))

    @override
    def synthesize(self, state: AMTState, timesteps: Tensor) -> Tensor:
        """All timesteps in one batch."""
        return self.network.synthesize(state, timesteps)
