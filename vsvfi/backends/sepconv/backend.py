"""SepConv behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, override

from torch import Tensor

from vsvfi.backends.base import MidpointBackend
from vsvfi.backends.sepconv.network import Kernels, SepConv

__all__ = ["SepConvBackend"]

type State = tuple[Tensor, Tensor, Kernels]


class SepConvBackend(MidpointBackend):
    """Kernels are estimated once a pair; the published networks read and write BGR."""

    network: SepConv

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Any]) -> State:
        """Both frames in BGR, and their kernels."""
        first, second = (frame.flip(1) for frame in window)
        return first, second, self.network.prepare(first, second)

    @override
    def middle(self, state: State) -> Tensor:
        """The middle frame."""
        return self.network.synthesize(*state).flip(1)
