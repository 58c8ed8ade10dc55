"""MEMC-Net_VE behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, override

import torch
from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.nets.memc_net.enhancement import MEMCNetVE

__all__ = ["MEMCNetVEBackend"]


class MEMCNetVEBackend(TorchBackend):
    """Everything depends on the whole window, and gives one frame."""

    network: MEMCNetVE

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Any]) -> Tensor:
        """The restored frame."""
        del encoded
        return self.network(torch.stack(tuple(window))).out  # type: ignore[no-any-return]

    @override
    def synthesize(self, state: Tensor, timesteps: Tensor) -> Tensor:
        """There are no frames between frames."""
        raise TypeError(f"{self.info.name} makes no new frames")

    @override
    def source_frame(self, state: Tensor, index: int) -> Tensor:
        """The middle frame of the window, restored."""
        del index
        return state
