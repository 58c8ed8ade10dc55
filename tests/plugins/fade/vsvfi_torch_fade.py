"""Torch models for the tests: see vsvfi_fade."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from vsvfi_fade import _count

from vsvfi.backends.base import TorchBackend


class TorchFade(TorchBackend):
    """Cross-fades the two middle frames."""

    def encode(self, frame: Tensor) -> float:
        mean = round(float(frame.detach().mean()), 6)
        _count("encode", mean)
        return mean

    def prepare(self, window: Sequence[Tensor], encoded: Sequence[float]) -> Any:
        _count("prepare", tuple(encoded))
        return list(window), tuple(encoded)

    def synthesize(self, state: Any, timesteps: Tensor) -> Tensor:
        window, key = state
        _count("synthesize", (key, tuple(timesteps.tolist())))
        middle = len(window) // 2
        t = timesteps.view(-1, 1, 1, 1)
        faded: Tensor = window[middle - 1] * (1 - t) + window[middle] * t
        return faded


class BatchFade(TorchFade):
    """Likes three timesteps at once."""

    timestep_batch = 3


class Larger(TorchFade):
    """Frames four times as wide and high."""

    def synthesize(self, state: Any, timesteps: Tensor) -> Tensor:
        return F.interpolate(super().synthesize(state, timesteps), scale_factor=4, mode="nearest")

    def source_frame(self, state: Any, index: int) -> Tensor:
        return F.interpolate(state[0][index], scale_factor=4, mode="nearest")


class Hungry(TorchFade):
    """Runs out of memory on anything larger than 160 pixels."""

    def prepare(self, window: Sequence[Tensor], encoded: Sequence[float]) -> Any:
        if max(window[0].shape[-2:]) > 160:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().prepare(window, encoded)


class InternallyTiled(TorchFade):
    """Tiles frames itself, and runs out of memory on any larger than 160 pixels."""

    def synthesize(self, state: Any, timesteps: Tensor) -> Tensor:
        if max(self.tile_size or state[0][0].shape[-2:]) > 160:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().synthesize(state, timesteps)


class Median(TorchFade):
    """Restores a frame: the median of its window."""

    def synthesize(self, state: Any, timesteps: Tensor) -> Tensor:
        raise TypeError("there is nothing between frames")

    def source_frame(self, state: Any, index: int) -> Tensor:
        median: Tensor = torch.stack(state[0]).median(0).values
        return median
