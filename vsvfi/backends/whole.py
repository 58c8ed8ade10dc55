"""Backends of networks that use something of the whole frame, which tiles must be told of."""

from __future__ import annotations

from typing import override

from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.nets.ifr import mean_of

__all__ = ["MeanBackend", "Size", "SizeBackend"]

type Size = tuple[int, int]


class MeanBackend(TorchBackend):
    """A network that sees frames less their mean: tiles that took their own would differ in brightness."""

    encodes_whole = True

    @override
    def encode(self, frame: Tensor) -> Tensor:
        """The mean of a frame."""
        return mean_of(frame)


class SizeBackend(TorchBackend):
    """A network whose flow is a fraction of the frame: the same flow would be a shorter way in a tile."""

    encodes_whole = True

    @override
    def encode(self, frame: Tensor) -> Size:
        """The height and width of the frame."""
        return frame.shape[-2], frame.shape[-1]
