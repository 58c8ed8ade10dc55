"""DAIN behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import override

import torch
from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.backends.dain.network import DAIN, DAINState, Encoded

__all__ = ["DAINBackend"]


class DAINBackend(TorchBackend):
    """Depth and motion features once per frame; flow, kernels and contexts once per pair."""

    network: DAIN

    @override
    def encode(self, frame: Tensor) -> Encoded:
        """Depth and motion features of a frame."""
        return self.network.encode(frame, float(self.options.flow_scale))

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Encoded]) -> DAINState:
        """Flows, kernels and contexts of a pair."""
        frame0, frame1 = window
        first, second = encoded
        return self.network.prepare((frame0, frame1), (first, second), with_contexts=self.tile_size is None)

    @override
    def synthesize(self, state: DAINState, timesteps: Tensor) -> Tensor:
        """One timestep after the other: the 437 channels of one fill the memory that a batch would need."""
        return torch.cat([self.network.synthesize(state, float(t), self.tile_size).out for t in timesteps])
