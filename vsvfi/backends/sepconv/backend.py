"""SepConv behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, override

from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.backends.sepconv.network import Kernels, SepConv

__all__ = ["SepConvBackend"]

type State = tuple[Tensor, Tensor, Kernels]


class SepConvBackend(TorchBackend):
    """Kernels are estimated once a pair; the published networks read and write BGR."""

    network: SepConv

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Any]) -> State:
        """Both frames in BGR, and their kernels."""
        first, second = (frame.flip(1) for frame in window)
        return first, second, self.network.kernels(first, second)

    @override
    def synthesize(self, state: State, timesteps: Tensor) -> Tensor:
        """The middle frame, whatever number of times it is asked for."""
        middle = self.network.apply_kernels(*state).flip(1)
        return middle.expand(len(timesteps), -1, -1, -1)
