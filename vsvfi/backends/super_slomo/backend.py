"""Super SloMo behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, override

from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.backends.super_slomo.network import SuperSloMo

__all__ = ["SuperSloMoBackend"]

type State = tuple[Tensor, Tensor, Tensor]

_MEAN = (0.429, 0.431, 0.397)


class SuperSloMoBackend(TorchBackend):
    """Flows between the frames are computed once a pair; refinement is batched over t."""

    network: SuperSloMo

    def _mean(self, like: Tensor) -> Tensor:
        return like.new_tensor(_MEAN).view(1, 3, 1, 1)

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Any]) -> State:
        """Both frames less the mean colour, and the flows between them."""
        first, second = (frame - self._mean(frame) for frame in window)
        return first, second, self.network.flows(first, second)

    @override
    def synthesize(self, state: State, timesteps: Tensor) -> Tensor:
        """The frames at all timesteps in one batch."""
        t = timesteps.view(-1, 1, 1, 1)
        first, second, flows = (tensor.expand(len(t), -1, -1, -1) for tensor in state)
        refined = self.network.refine(first, second, flows, t)
        frames = self.network.blend(first, second, refined, t)
        return frames + self._mean(frames)
