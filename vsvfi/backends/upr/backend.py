"""UPR-Net behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import override

from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.backends.upr.network import Frame, UPRNet, UPRState, levels_of
from vsvfi.nets.tiles import Tile

__all__ = ["UPRBackend"]


class UPRBackend(TorchBackend):
    """Features once per frame, motion of all levels once per pair, frames of all levels once per new frame.

    The network was trained on BGR. Where motion is estimated at a smaller scale, the finest levels estimate none.
    """

    network: UPRNet

    @property
    @override
    def multiple(self) -> int:
        """The network pads to what its number of levels needs."""
        return self.info.multiple

    @override
    def encode(self, frame: Tensor) -> Frame:
        """The frame and its features at all levels."""
        return self._encode(frame, levels_of(frame.shape[-2], frame.shape[-1]))

    @override
    def encode_tile(self, frame: Tensor, tile: Tile) -> Frame:
        """A tile has as many levels as the whole frame: it moves as far."""
        return self._encode(tile.of(frame), levels_of(frame.shape[-2], frame.shape[-1]))

    def _encode(self, frame: Tensor, levels: int) -> Frame:
        skipped = (self.options.flow_scale.denominator // self.options.flow_scale.numerator).bit_length() - 1
        return self.network.encode(frame.flip(1), levels, max(0, min(skipped, levels - 1)))

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Frame]) -> UPRState:
        """The motion of all levels."""
        del window
        return self.network.prepare(*encoded)

    @override
    def synthesize(self, state: UPRState, timesteps: Tensor) -> Tensor:
        """All timesteps in one batch."""
        return self.network.synthesize(state, timesteps).flip(1)
