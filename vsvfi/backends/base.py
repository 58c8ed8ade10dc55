"""The base of backends that are torch networks."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

from torch import Tensor, nn

from vsvfi.models.info import BackendInfo, Options
from vsvfi.nets.regions import Region

__all__ = ["TorchBackend"]


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

    tile: tuple[int, int] | None = None
    """Height and width of the pieces to work on where memory is short, for models that tile themselves."""

    def __init__(self, info: BackendInfo, network: nn.Module, options: Options) -> None:
        self.info = info
        self.network = network
        self.options = options

    @property
    def multiple(self) -> int:
        """What frame sizes must be multiples of; more where motion is estimated on smaller frames."""
        return max(self.info.multiple, math.ceil(self.info.multiple / self.options.flow_scale))

    def in_tiles(self, tile: tuple[int, int]) -> Self:
        """The same backend, working on pieces of a height and a width: for models whose tiling is ``internal``."""
        tiled = copy.copy(self)
        tiled.tile = tile
        return tiled

    def encode(self, frame: Tensor) -> Any:
        """What depends on one frame alone, computed once per frame; by default nothing."""
        del frame

    def encode_part(self, frame: Tensor, part: Region) -> Any:
        """What `encode` gives for a tile of the frame, or for the whole one where the model needs that."""
        return self.encode(frame if self.encodes_whole else part.of(frame).contiguous())

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
