"""M2M behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import override

from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.backends.m2m.network import M2M, M2MState, Statistics, statistics

__all__ = ["M2MBackend"]


class M2MBackend(TorchBackend):
    """All motion once a pair; a new frame is one splatting. The network was trained on BGR.

    Tiles take the statistics of the whole frame: with their own, they would differ in brightness.
    """

    network: M2M
    encodes_whole = True

    @property
    @override
    def multiple(self) -> int:
        """Frames for the flow are resized to the next multiples of 32, whatever the size of the whole ones."""
        return self.info.multiple

    @override
    def encode(self, frame: Tensor) -> Statistics:
        """The mean and the variance of the frame."""
        return statistics(frame)

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Statistics]) -> M2MState:
        """The flows of every pixel, and how much each counts."""
        frame0, frame1 = (frame.flip(1) for frame in window)
        return self.network.prepare(frame0, frame1, (encoded[0], encoded[1]), float(self.options.flow_scale))

    @override
    def synthesize(self, state: M2MState, timesteps: Tensor) -> Tensor:
        """All timesteps in one batch."""
        return self.network.synthesize(state, timesteps).flip(1)
