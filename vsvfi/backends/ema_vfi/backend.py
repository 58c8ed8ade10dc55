"""EMA-VFI behind the filter."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.backends.ema_vfi.network import EMAVFI, Pair

__all__ = ["EMAVFIBackend"]

type Encoded = tuple[tuple[tuple[Tensor, ...], ...], ...]


class EMAVFIBackend(TorchBackend):
    """Convolutions once per frame, attention between the frames once per pair, flow and refinement per new frame.

    ``quality="best"`` averages with the result for frames turned by 180 degrees, as the published numbers of the
    larger model do.
    """

    network: EMAVFI

    def _views(self, frame: Tensor) -> list[Tensor]:
        """The frame as BGR, which the network was trained on, and turned where the quality asks for it."""
        bgr = frame.flip(1)
        return [bgr, bgr.flip(2, 3)] if self.options.quality == "best" else [bgr]

    def encode(self, frame: Tensor) -> Encoded:
        """The convolutional stages of every view of the frame."""
        scale = float(self.options.flow_scale)
        return tuple(self.network.encode(view, scale) for view in self._views(frame))

    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Encoded]) -> tuple[Pair, ...]:
        """Appearance and motion features of every view."""
        views0, views1 = (self._views(frame) for frame in window)
        return tuple(
            self.network.relate(frame0, frame1, encoded0, encoded1, float(self.options.flow_scale))
            for frame0, frame1, encoded0, encoded1 in zip(views0, views1, *encoded, strict=True)
        )

    def synthesize(self, state: tuple[Pair, ...], timesteps: Tensor) -> Tensor:
        """All timesteps in one batch a view."""
        results = [self.network.decode(pair, timesteps) for pair in state]
        if len(results) == 2:
            results[1] = results[1].flip(2, 3)
        return torch.stack(results).mean(0).flip(1)
