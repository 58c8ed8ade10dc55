"""MIND behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, override

from torch import Tensor

from vsvfi.backends.base import MidpointBackend
from vsvfi.backends.mind.network import MIND

__all__ = ["MINDBackend"]

type State = tuple[Tensor, Tensor, Tensor, Tensor]


class MINDBackend(MidpointBackend):
    """The network gives one frame a pair and nothing that a second timestep could share."""

    network: MIND

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Any]) -> State:
        """The features of the pair."""
        return self.network.prepare(*window)

    @override
    def middle(self, state: State) -> Tensor:
        """The middle frame."""
        return self.network.synthesize(*state).float()
