"""Frames in tiles: a backend that runs another one on overlapping tiles, so that large frames fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, override

import torch
from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.nets.tiles import Tile

__all__ = ["OVERLAP", "TiledBackend", "Tiling", "in_tiles", "split"]

OVERLAP = 128
"""Pixels that neighbours share at least: a network sees nothing beyond its tile, and errs most at its edges."""

RAMP = 32
"""Pixels over which neighbours are blended, in the middle of what they share; the rest is seen only."""


@dataclass(frozen=True, slots=True)
class Side:
    """How tiles of ``size`` pixels lie along one side of a frame: where they start, ascending."""

    starts: tuple[int, ...]
    size: int

    @property
    def overlap(self) -> int:
        """The fewest pixels that neighbours share; 0 where there is one tile."""
        return min((before + self.size - after for before, after in pairwise(self.starts)), default=0)

    def weights(self, scale: int = 1) -> list[Tensor]:
        """Each tile's share ``(scale * size,)`` in the result, from 0 to 1; at any place they add up to 1."""
        ramp = min([RAMP, self.overlap, *(after - before for before, after in pairwise(self.starts))])
        middles = [(before + self.size + after) / 2 for before, after in pairwise(self.starts)]
        inside = (torch.arange(scale * self.size) + 0.5) / scale
        shares = []
        for k, start in enumerate(self.starts):
            share = torch.ones(scale * self.size)
            if k > 0:
                share *= ((start + inside - middles[k - 1]) / ramp + 0.5).clamp(0, 1)
            if k < len(middles):
                share *= ((middles[k] - start - inside) / ramp + 0.5).clamp(0, 1)
            shares.append(share)
        return shares


@dataclass(frozen=True, slots=True)
class Tiling:
    """How tiles cover a frame."""

    rows: Side
    columns: Side

    def tiles(self, scale: int = 1) -> list[Tile]:
        """The tiles, row by row, of a frame ``scale`` times the size."""
        return [
            Tile(top * scale, (top + self.rows.size) * scale, left * scale, (left + self.columns.size) * scale)
            for top in self.rows.starts
            for left in self.columns.starts
        ]

    def weights(self, scale: int = 1) -> list[Tensor]:
        """Each tile's share in the result ``(height, width)``, in the order of `tiles`."""
        return [row[:, None] * column for row in self.rows.weights(scale) for column in self.columns.weights(scale)]


def _side(length: int, size: int, multiple: int, overlap: int) -> Side:
    """Tiles along ``length`` pixels; all is counted in multiples, so that no tile starts between two of them."""
    size = max(2, -(-size // multiple))
    overlap = min(-(-overlap // multiple), size // 2)
    rest = length // multiple - size
    if rest <= 0:
        return Side((0,), length)
    gaps = -(-rest // (size - overlap))
    return Side(tuple(k * rest // gaps * multiple for k in range(gaps + 1)), size * multiple)


def split(height: int, width: int, size: tuple[int, int], multiple: int, overlap: int = OVERLAP) -> Tiling:
    """Cover a frame with tiles of about ``size`` (height, width).

    Args:
        height: of the frame, a multiple of ``multiple``.
        width: of the frame, a multiple of ``multiple``.
        size: of the tiles; what is no multiple grows to the next, and no side is below two of them.
        multiple: of what tiles start at, and are as long as.
        overlap: how many pixels neighbours share at least, though never more than half a tile.
    """
    return Tiling(_side(height, size[0], multiple, overlap), _side(width, size[1], multiple, overlap))


@dataclass(frozen=True, slots=True)
class TiledState:
    """What the inner backend knows about each tile of a window."""

    tiling: Tiling
    size: tuple[int, int]
    states: list[Any]


class TiledBackend(TorchBackend):
    """Runs ``inner`` on tiles of about ``size`` (height, width) pixels and blends them where they overlap."""

    def __init__(self, inner: TorchBackend, size: tuple[int, int], overlap: int = OVERLAP) -> None:
        super().__init__(inner.info, inner.network, inner.options)
        self.inner = inner
        self.size = size
        self.overlap = overlap
        self._shares: dict[tuple[Tiling, torch.device], list[Tensor]] = {}

    def _tiling(self, frame: Tensor) -> Tiling:
        return split(frame.shape[-2], frame.shape[-1], self.size, self.multiple, self.overlap)

    @override
    def encode(self, frame: Tensor) -> list[Any]:
        """What `encode_tile` of the inner backend gives for each tile."""
        return [self.inner.encode_tile(frame, tile) for tile in self._tiling(frame).tiles()]

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Any]) -> TiledState:
        """The states of all tiles."""
        tiling = self._tiling(window[0])
        states = [
            self.inner.prepare([tile.of(frame).contiguous() for frame in window], [of_tiles[k] for of_tiles in encoded])
            for k, tile in enumerate(tiling.tiles())
        ]
        return TiledState(tiling, (window[0].shape[-2], window[0].shape[-1]), states)

    @override
    def synthesize(self, state: TiledState, timesteps: Tensor) -> Tensor:
        """The frames at ``timesteps``, put together from their tiles."""
        return self._merged(state, len(timesteps), lambda inner_state: self.inner.synthesize(inner_state, timesteps))

    @override
    def source_frame(self, state: TiledState, index: int) -> Tensor:
        """A source frame as the model returns it, put together from its tiles."""
        return self._merged(state, 1, lambda inner_state: self.inner.source_frame(inner_state, index))

    def _merged(self, state: TiledState, count: int, make: Callable[[Any], Tensor]) -> Tensor:
        scale = self.info.spatial_scale
        height, width = state.size
        merged: Tensor | None = None
        for k, (tile, inner_state) in enumerate(zip(state.tiling.tiles(scale), state.states, strict=True)):
            made = make(inner_state).float()
            if merged is None:
                merged = made.new_zeros(count, 3, scale * height, scale * width)
            tile.of(merged).add_(made * self._weights(state.tiling, made.device)[k])
        assert merged is not None
        return merged

    def _weights(self, tiling: Tiling, device: torch.device) -> list[Tensor]:
        """The tiles' shares on a device, made once: a copy to a GPU waits for it."""
        if (tiling, device) not in self._shares:
            weights = [weight.to(device) for weight in tiling.weights(self.info.spatial_scale)]
            self._shares[tiling, device] = weights
        return self._shares[tiling, device]


def in_tiles(backend: TorchBackend, size: tuple[int, int]) -> TorchBackend:
    """``backend`` on tiles of about ``size`` (height, width): inside, where it can, for the very same result."""
    return backend.in_tiles(size) if backend.info.tiling == "internal" else TiledBackend(backend, size)
