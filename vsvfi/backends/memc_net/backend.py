"""MEMC-Net behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, override

from torch import Tensor

from vsvfi.backends.base import MidpointBackend
from vsvfi.backends.memc_net.network import MEMCNet, Motion

__all__ = ["MEMCNetBackend"]

type State = tuple[Tensor, Tensor, Motion]


class MEMCNetBackend(MidpointBackend):
    """Motion, kernels and occlusion once per pair."""

    network: MEMCNet

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Any]) -> State:
        """Both frames and the motion between them."""
        del encoded
        frame0, frame1 = window
        return frame0, frame1, self.network.prepare(frame0, frame1, float(self.options.flow_scale))

    @override
    def middle(self, state: State) -> Tensor:
        """The middle frame."""
        return self.network.synthesize(*state, self.tile_size).out
