"""Deep Voxel Flow behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import override

from torch import Tensor

from vsvfi.backends.base import MidpointBackend, Size, SizeBackend
from vsvfi.backends.voxel_flow.network import VoxelFlow

__all__ = ["VoxelFlowBackend"]

type State = tuple[Tensor, Tensor, Tensor, Size]


class VoxelFlowBackend(SizeBackend, MidpointBackend):
    """The flow is estimated once a pair; the network reads and writes BGR in [-1, 1]."""

    network: VoxelFlow

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Size]) -> State:
        """Both frames as the network takes them, the voxel flow, and what it is a fraction of."""
        first, second = (2 * frame.flip(1) - 1 for frame in window)
        return first, second, self.network.prepare(first, second), encoded[0]

    @override
    def middle(self, state: State) -> Tensor:
        """The middle frame."""
        return (self.network.synthesize(*state).flip(1) + 1) / 2
