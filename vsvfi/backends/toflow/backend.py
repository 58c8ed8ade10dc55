"""TOFlow behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import override

from torch import Tensor

from vsvfi.backends.base import MidpointBackend
from vsvfi.backends.toflow.network import TOFlow
from vsvfi.nets.spynet.network import normalise

__all__ = ["TOFlowBackend"]

type State = tuple[Tensor, Tensor, Tensor, Tensor]


class TOFlowBackend(MidpointBackend):
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
    def middle(self, state: State) -> Tensor:
        """The middle frame."""
        return self.network.synthesize(*state)
