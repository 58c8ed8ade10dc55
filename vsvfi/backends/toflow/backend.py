"""TOFlow behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import override

from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.backends.toflow.network import TOFlow
from vsvfi.nets.spynet.network import normalise

__all__ = ["TOFlowBackend"]

type State = tuple[Tensor, Tensor, Tensor, Tensor]


class TOFlowBackend(TorchBackend):
    """Both flows are computed once a pair."""

    network: TOFlow

    @override
    def encode(self, frame: Tensor) -> Tensor:
        """The frame by ImageNet's statistics."""
        return normalise(frame)

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Tensor]) -> State:
        """The normalised frames and the flows between them."""
        first, second = encoded
        return first, second, self.network.spynet(first, second), self.network.spynet(second, first)

    @override
    def synthesize(self, state: State, timesteps: Tensor) -> Tensor:
        """The middle frame, whatever number of times it is asked for."""
        middle = self.network.synthesize(*state)
        return middle.expand(len(timesteps), -1, -1, -1)
