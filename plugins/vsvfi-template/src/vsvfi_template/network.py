"""A cross-fade in torch: RGB tensors ``(1, 3, H, W)`` in [0, 1], on the device that the user chose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, override

from torch import Tensor

from vsvfi.api import TorchBackend

__all__ = ["CrossFade"]


class CrossFade(TorchBackend):
    """A model without a network: one with weights names a ``build`` function in its `BackendInfo`."""

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """What depends on the window, computed once however many frames are made of it."""
        first, second = window
        return first, second

    @override
    def synthesize(self, state: tuple[Tensor, Tensor], timesteps: Tensor) -> Tensor:
        """The frames ``(T, 3, H, W)`` at ``timesteps`` ``(T,)``."""
        first, second = state
        t = timesteps.view(-1, 1, 1, 1)
        return (1 - t) * first + t * second
