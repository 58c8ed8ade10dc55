"""MEMC-Net behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.backends.memc_net.network import MEMCNet, Motion

__all__ = ["MEMCNetBackend"]


class MEMCNetBackend(TorchBackend):
    """Motion, kernels and occlusion once per pair."""

    network: MEMCNet

    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Any]) -> tuple[Tensor, Tensor, Motion]:
        """Both frames and the motion between them."""
        del encoded
        frame0, frame1 = window
        return frame0, frame1, self.network.analyse(frame0, frame1, float(self.options.flow_scale))

    def synthesize(self, state: tuple[Tensor, Tensor, Motion], timesteps: Tensor) -> Tensor:
        """The frame in the middle."""
        return self.network.synthesize(*state, self.tile).out.expand(len(timesteps), -1, -1, -1)
