"""FIGAN behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import override

from torch import Tensor

from vsvfi.backends.base import MidpointBackend, Size, SizeBackend
from vsvfi.backends.figan.network import FIGAN

__all__ = ["FIGANBackend"]

type State = tuple[Tensor, Tensor, Tensor]


class FIGANBackend(SizeBackend, MidpointBackend):
    """Motion is estimated once a pair."""

    network: FIGAN

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Size]) -> State:
        """Both frames, and the frame synthesised from them before refinement."""
        first, second = window
        return first, second, self.network.prepare(first, second, encoded[0])[0].synthesis

    @override
    def middle(self, state: State) -> Tensor:
        """The middle frame."""
        return self.network.refine(*state)
