"""IFRNet behind the filter."""

from __future__ import annotations

import copy
from typing import Self, cast, override

import torch
from torch import Tensor

from vsvfi.backends.base import MeanBackend
from vsvfi.backends.ifrnet.network import IFRNet, IFRNetState
from vsvfi.nets.fused import fused

__all__ = ["IFRNetBackend"]


class IFRNetBackend(MeanBackend):
    """Features once per pair (they depend on the mean of both frames), decoders once per new frame."""

    network: IFRNet

    @override
    def fused(self, dtype: torch.dtype) -> Self:
        """Weights in ``dtype``, layers joined."""
        made = copy.copy(self)
        made.network = cast(IFRNet, fused(self.network, dtype))
        made.network.joined = True
        return made

    @override
    def prepare_pair(self, frame0: Tensor, frame1: Tensor, mean: Tensor) -> IFRNetState:
        """The features of both frames."""
        return self.network.prepare(frame0, frame1, mean, float(self.options.flow_scale))

    @override
    def synthesize(self, state: IFRNetState, timesteps: Tensor) -> Tensor:
        """All timesteps in one batch."""
        return self.network.synthesize(state, timesteps)
