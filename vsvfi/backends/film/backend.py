"""FILM behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import override

from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.backends.film.network import FILM, FILMState, Frame

__all__ = ["FILMBackend"]


class FILMBackend(TorchBackend):
    """Features once per frame, flows once per pair, alignment and fusion once per new frame."""

    network: FILM

    @override
    def encode(self, frame: Tensor) -> Frame:
        """The frame and its features at all levels."""
        return self.network.encode(frame)

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Frame]) -> FILMState:
        """The flows between both frames."""
        del window
        return self.network.prepare(*encoded)

    @override
    def synthesize(self, state: FILMState, timesteps: Tensor) -> Tensor:
        """All timesteps in one batch."""
        return self.network.synthesize(state, timesteps)
