"""FIGAN behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import override

from torch import Tensor

from vsvfi.backends.figan.network import FIGAN
from vsvfi.backends.whole import Size, SizeBackend

__all__ = ["FIGANBackend"]

type State = tuple[Tensor, Tensor, Tensor]


class FIGANBackend(SizeBackend):
    """Motion is estimated once a pair."""

    network: FIGAN

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Size]) -> State:
        """Both frames, and the frame synthesised from them before refinement."""
        first, second = window
        return first, second, self.network.motions(first, second, encoded[0])[0].synthesis

    @override
    def synthesize(self, state: State, timesteps: Tensor) -> Tensor:
        """The middle frame, whatever number of times it is asked for."""
        middle = self.network.refine(*state)
        return middle.expand(len(timesteps), -1, -1, -1)
