"""BMBC behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import override

import torch
from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.backends.bmbc.network import BMBC, Encoded, Flows

__all__ = ["BMBCBackend"]

type State = tuple[Encoded, Encoded, Flows]


class BMBCBackend(TorchBackend):
    """Features once a frame, flows between the frames once a pair; bilateral motion and filters for every t."""

    network: BMBC

    @override
    def encode(self, frame: Tensor) -> Encoded:
        """Motion features and context of a frame."""
        return self.network.encode(frame)

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Encoded]) -> State:
        """The flows between the frames."""
        first, second = encoded
        return first, second, self.network.prepare(first, second)

    @override
    def synthesize(self, state: State, timesteps: Tensor) -> Tensor:
        """One timestep after the other: the cost volumes depend on t."""
        return torch.cat([self.network.synthesize(*state, t) for t in timesteps.tolist()])
