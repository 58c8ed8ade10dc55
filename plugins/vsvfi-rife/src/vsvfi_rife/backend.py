"""RIFE 4 behind the filter."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Self, override

import torch
from torch import Tensor

from vsvfi.api import TorchBackend
from vsvfi.nets.ifnet.fused import FusedIFNet, can_fuse
from vsvfi_rife.network import FramePair, IFNet

__all__ = ["RIFEBackend"]


class RIFEBackend(TorchBackend):
    """Features once per frame; everything else depends on the timestep.

    ``quality="best"`` averages every estimate with the one for exchanged frames, where the version can.
    """

    network: IFNet | FusedIFNet

    @override
    def fused(self, dtype: torch.dtype) -> Self | None:
        """Weights in ``dtype``, levels that see the frames in one pass; None where a timestep chooses the scales."""
        network = self.network
        scales = [scale / self.options.flow_scale for scale in network.architecture.scales]
        if self.options.quality == "best" or isinstance(network, FusedIFNet):
            return None
        if not can_fuse(network.architecture, scales):
            return None
        made = copy.copy(self)
        made.network = FusedIFNet(network, [int(scale) for scale in scales], dtype)
        return made

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
        if isinstance(self.network, FusedIFNet):
            return self.network.synthesize(state, timesteps)
        return self.network.synthesize(
            state,
            timesteps,
            flow_scale=float(self.options.flow_scale),
            ensemble=self.options.quality == "best",
        )
