"""EMA-VFI behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, override

import torch
from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.backends.ema_vfi.network import EMAVFI, EMAVFIState

__all__ = ["EMAVFIBackend"]


class EMAVFIBackend(TorchBackend):
    """Features and attention once per pair, flow and refinement once per new frame.

    The convolutional features depend on one frame alone but are kept with the pair: they fill 0.5 GB for a 1080p
    frame, and take less than a tenth of the time.

    ``quality="best"`` averages with the result for frames turned by 180 degrees, as the published numbers of the
    larger model do.
    """

    network: EMAVFI

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Any]) -> tuple[EMAVFIState, ...]:
        """Appearance and motion features of every view."""
        del encoded
        scale = float(self.options.flow_scale)
        return tuple(self.network.prepare(frame0, frame1, scale) for frame0, frame1 in self._views(window))

    def _views(self, window: Sequence[Tensor]) -> list[list[Tensor]]:
        """The frames as BGR, which the network was trained on, and turned where the quality asks for it."""
        bgr = [frame.flip(1) for frame in window]
        return [bgr, [frame.flip(2, 3) for frame in bgr]] if self.options.quality == "best" else [bgr]

    @override
    def synthesize(self, state: tuple[EMAVFIState, ...], timesteps: Tensor) -> Tensor:
        """All timesteps in one batch a view."""
        results = [self.network.synthesize(view, timesteps) for view in state]
        if len(results) == 2:
            results[1] = results[1].flip(2, 3)
        return torch.stack(results).mean(0).flip(1)
