"""MEMC-Net behind the filter."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.backends.memc_net.network import MEMCNet, Motion

__all__ = ["MEMCNetBackend"]


class MEMCNetBackend(TorchBackend):
    """Context features once per frame, motion, kernels and occlusion once per pair."""

    network: MEMCNet

    def encode(self, frame: Tensor) -> Tensor | None:
        """The frame's context features, if the variant has any."""
        return self.network.encode(frame)

    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Tensor | None]) -> tuple[Tensor, Tensor, Motion]:
        """Both frames and what is known about the motion between them."""
        frame0, frame1 = window
        context0, context1 = encoded
        motion = self.network.analyse(frame0, frame1, (context0, context1), float(self.options.flow_scale))
        return frame0, frame1, motion

    def synthesize(self, state: tuple[Tensor, Tensor, Motion], timesteps: Tensor) -> Tensor:
        """The frame in the middle."""
        return self.network.synthesize(*state).out.expand(len(timesteps), -1, -1, -1)
