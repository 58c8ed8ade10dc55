"""MIND behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, override

from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.backends.mind.network import MIND

__all__ = ["MINDBackend"]

type State = tuple[Tensor, Tensor, Tensor, Tensor]


class MINDBackend(TorchBackend):
    """The network gives one frame a pair and nothing that a second timestep could share."""

    network: MIND

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Any]) -> State:
        """The features of the pair."""
        return self.network.encode(*window)

    @override
    def synthesize(self, state: State, timesteps: Tensor) -> Tensor:
        """The middle frame, whatever number of times it is asked for."""
        middle = self.network.decode(*state).float()
        return middle.expand(len(timesteps), -1, -1, -1)
