"""Super SloMo behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import override

from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.backends.super_slomo.network import Place, SuperSloMo
from vsvfi.nets.tiles import Tile

__all__ = ["SuperSloMoBackend"]

type State = tuple[Tensor, Tensor, Tensor, Place]

_MEAN = (0.429, 0.431, 0.397)


class SuperSloMoBackend(TorchBackend):
    """Flows between the frames are computed once a pair; refinement is batched over t."""

    network: SuperSloMo

    def _mean(self, like: Tensor) -> Tensor:
        return like.new_tensor(_MEAN).view(1, 3, 1, 1)

    @override
    def encode(self, frame: Tensor) -> Place:
        """The size of the frame."""
        return Place(frame.shape[-2], frame.shape[-1])

    @override
    def encode_tile(self, frame: Tensor, tile: Tile) -> Place:
        """The place of a tile: the error of the network's sampling grid depends on it."""
        return Place(frame.shape[-2], frame.shape[-1], tile.top, tile.left)

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Place]) -> State:
        """Both frames less the mean colour, the flows between them, and the place of both."""
        first, second = (frame - self._mean(frame) for frame in window)
        return first, second, self.network.prepare(first, second), encoded[0]

    @override
    def synthesize(self, state: State, timesteps: Tensor) -> Tensor:
        """The frames at all timesteps in one batch."""
        t = timesteps.view(-1, 1, 1, 1)
        *tensors, place = state
        first, second, flows = (tensor.expand(len(t), -1, -1, -1) for tensor in tensors)
        frames = self.network.synthesize(first, second, flows, t, place)
        return frames + self._mean(frames)
