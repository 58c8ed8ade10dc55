"""Frames in tiles: a backend that runs another one on overlapping pieces, so that large frames fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vsvfi.backends.base import TorchBackend

__all__ = ["Tile", "TiledBackend", "in_tiles", "split"]


@dataclass(frozen=True, slots=True)
class Tile:
    """A piece of a frame, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, frame: Tensor, scale: int = 1) -> Tensor:
        """This piece of ``(N, C, H, W)``, for a frame ``scale`` times the size the tile was cut for."""
        rows = slice(self.top * scale, (self.top + self.height) * scale)
        columns = slice(self.left * scale, (self.left + self.width) * scale)
        return frame[..., rows, columns]


def _starts(length: int, size: int, overlap: int) -> list[int]:
    if size >= length:
        return [0]
    pieces = -(-(length - overlap) // (size - overlap))
    return [round(k * (length - size) / (pieces - 1)) for k in range(pieces)]


def split(height: int, width: int, size: tuple[int, int], multiple: int, overlap: int) -> list[Tile]:
    """Cover a frame with tiles of ``size`` (height, width) at multiples of ``multiple``, sharing ``overlap`` pixels."""
    tile_height = min(-(-size[0] // multiple) * multiple, height)
    tile_width = min(-(-size[1] // multiple) * multiple, width)
    return [
        Tile(top // multiple * multiple, left // multiple * multiple, tile_height, tile_width)
        for top in _starts(height, tile_height, min(overlap, tile_height // 2))
        for left in _starts(width, tile_width, min(overlap, tile_width // 2))
    ]


def _ramp(start: int, size: int, length: int, overlap: int) -> Tensor:
    """Weights along one side of a tile: rising over the inner half of an overlap, 1 within, 0 at its outer quarter."""
    weights = torch.ones(size)
    edge = min(overlap, size // 2)
    rise = ((torch.arange(edge) + 0.5) / edge * 2 - 0.5).clamp(0, 1)
    # Opposite ramps of two tiles never both vanish, so that their sum can be divided by.
    rise = rise.clamp_min(1e-6)
    if start > 0:
        weights[:edge] = rise
    if start + size < length:
        weights[size - edge :] = torch.minimum(weights[size - edge :], rise.flip(0))
    return weights


@dataclass(frozen=True, slots=True)
class TiledState:
    """What the inner backend knows about each tile of a window."""

    height: int
    width: int
    tiles: list[Tile]
    states: list[Any]


class TiledBackend(TorchBackend):
    """Runs ``inner`` on tiles of about ``size`` (height, width) pixels and blends them where they overlap."""

    def __init__(self, inner: TorchBackend, size: tuple[int, int], overlap: int = 64) -> None:
        super().__init__(inner.info, inner.network, inner.options)
        self.inner = inner
        self.size = size
        self.overlap = overlap

    def _tiles(self, frame: Tensor) -> list[Tile]:
        height, width = frame.shape[-2:]
        return split(height, width, self.size, self.multiple, self.overlap)

    def encode(self, frame: Tensor) -> list[Any]:
        """What each tile's part of the frame gives."""
        return [self.inner.encode(tile.of(frame).contiguous()) for tile in self._tiles(frame)]

    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Any]) -> TiledState:
        """The states of all tiles."""
        tiles = self._tiles(window[0])
        states = [
            self.inner.prepare([tile.of(frame).contiguous() for frame in window], [parts[k] for parts in encoded])
            for k, tile in enumerate(tiles)
        ]
        height, width = window[0].shape[-2:]
        return TiledState(height, width, tiles, states)

    def synthesize(self, state: TiledState, timesteps: Tensor) -> Tensor:
        """The frames at ``timesteps``, put together from their tiles."""
        return self._merged(state, len(timesteps), lambda part: self.inner.synthesize(part, timesteps))

    def source_frame(self, state: TiledState, index: int) -> Tensor:
        """A source frame as the model returns it, put together from its tiles."""
        return self._merged(state, 1, lambda part: self.inner.source_frame(part, index))

    def _merged(self, state: TiledState, count: int, make: Callable[[Any], Tensor]) -> Tensor:
        scale = self.info.spatial_scale
        height, width = state.height * scale, state.width * scale
        total = torch.zeros(count, 3, height, width)
        weight = torch.zeros(1, 1, height, width)
        for tile, part in zip(state.tiles, state.states, strict=True):
            piece = make(part).float()
            total, weight = total.to(piece.device), weight.to(piece.device)
            rows = _ramp(tile.top * scale, tile.height * scale, height, self.overlap * scale)
            columns = _ramp(tile.left * scale, tile.width * scale, width, self.overlap * scale)
            mask = (rows[:, None] * columns).to(piece.device)
            tile.of(total, scale).add_(piece * mask)
            tile.of(weight, scale).add_(mask)
        return total / weight


def in_tiles(backend: TorchBackend, size: tuple[int, int]) -> TorchBackend:
    """``backend`` on tiles of about ``size`` (height, width): inside, where it can, for the very same result."""
    return backend.in_tiles(size) if backend.info.tiling == "internal" else TiledBackend(backend, size)
