"""The base of backends that are torch networks."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self, override

import torch
from torch import Tensor, nn

from vsvfi.models.info import BackendInfo, Options
from vsvfi.nets.ifr import mean_of
from vsvfi.nets.tiles import Tile

__all__ = ["MeanBackend", "MidpointBackend", "Size", "SizeBackend", "TorchBackend"]

type Size = tuple[int, int]
"""The height and width of a frame, in pixels."""


class TorchBackend(ABC):
    """A model on RGB tensors ``(1, 3, H, W)``, float, in [0, 1]; H and W are multiples of `multiple`.

    The engine calls it under ``torch.inference_mode()`` and, for half precisions, under ``torch.autocast`` with
    fp32 weights: convolutions then return halves, so a network calls ``.float()`` on every flow, offset or
    coordinate as soon as a convolution has made it, and keeps correlation in fp32.
    What `encode` and `prepare` return is cached by the engine, shared between threads, and never changed.
    """

    timestep_batch: int = 1
    """How many timesteps `synthesize` takes with gain at once."""

    encodes_whole: bool = False
    """Whether `encode` gives what tiles must take from the whole frame: its mean, its size."""

    tile_size: tuple[int, int] | None = None
    """Height and width of tiles where memory is short, for models whose tiling is ``internal``."""

    def __init__(self, info: BackendInfo, network: nn.Module, options: Options) -> None:
        self.info = info
        self.network = network
        self.options = options

    @property
    def multiple(self) -> int:
        """What frame sizes must be multiples of; more where motion is estimated on smaller frames."""
        return max(self.info.multiple, math.ceil(self.info.multiple / self.options.flow_scale))

    def in_tiles(self, size: tuple[int, int]) -> Self:
        """The same backend on tiles of ``size`` (height, width): for models whose tiling is ``internal``."""
        tiled = copy.copy(self)
        tiled.tile_size = size
        return tiled

    def fused(self, dtype: torch.dtype) -> Self | None:  # noqa: ARG002
        """The same model made ready to run in ``dtype``, without autocast; None (the default) where there is no such.

        Called once, with the network on its device. What it gives may differ by rounding.
        """
        return None

    def encode(self, frame: Tensor) -> Any:
        """What depends on one frame alone, computed once per frame; by default nothing."""
        del frame

    def encode_tile(self, frame: Tensor, tile: Tile) -> Any:
        """What `encode` gives for a tile of the frame, or for the whole frame with `encodes_whole`."""
        return self.encode(frame if self.encodes_whole else tile.of(frame).contiguous())

    @abstractmethod
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Any]) -> Any:
        """What depends on the window but not on the timestep (flows, depth, features), once per window."""

    @abstractmethod
    def synthesize(self, state: Any, timesteps: Tensor) -> Tensor:
        """The frames at ``timesteps`` ``(T,)``, float32 in (0, 1), as ``(T, 3, H, W)``.

        Midpoint-only models are only ever asked for 0.5.
        """

    def source_frame(self, state: Any, index: int) -> Tensor:  # noqa: ARG002
        """Frame ``index`` of the window as the model returns it, ``(1, 3, H, W)``: for super-resolution models only."""
        raise TypeError(f"{self.info.name} does not change source frames")


class MidpointBackend(TorchBackend):
    """A model that gives the frame half-way between two others, and no other timestep."""

    @abstractmethod
    def middle(self, state: Any) -> Tensor:
        """The frame half-way, ``(1, 3, H, W)``, from what `prepare` returned."""

    @override
    def synthesize(self, state: Any, timesteps: Tensor) -> Tensor:
        """The middle frame, once for each timestep."""
        return self.middle(state).expand(len(timesteps), -1, -1, -1)


class MeanBackend(TorchBackend):
    """A model of frames less the mean of both; tiles use the mean of the whole frames, or their brightness differs."""

    encodes_whole = True

    @abstractmethod
    def prepare_pair(self, frame0: Tensor, frame1: Tensor, mean: Tensor) -> Any:
        """`prepare` for two frames and their ``mean`` ``(1, 1, 1, 1)``, which has not been subtracted yet."""

    @override
    def encode(self, frame: Tensor) -> Tensor:
        """The mean of a frame."""
        return mean_of(frame)

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Tensor]) -> Any:
        """What `prepare_pair` returns for the mean of both frames."""
        frame0, frame1 = window
        return self.prepare_pair(frame0, frame1, (encoded[0] + encoded[1]) / 2)


class SizeBackend(TorchBackend):
    """A model whose flow is a fraction of the frame's size: in a tile the same output would be a shorter vector."""

    encodes_whole = True

    @override
    def encode(self, frame: Tensor) -> Size:
        """The height and width of the frame."""
        return frame.shape[-2], frame.shape[-1]
