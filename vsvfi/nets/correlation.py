"""Correlations of all positions of two feature maps, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from vsvfi.ops import all_pairs_correlation, correlation_lookup

__all__ = ["AllPairs"]

KEPT_BYTES = 2**31
"""The largest volume that is kept, on the CPU; on a GPU it is a quarter of what is free, if that is more."""
TILE_BYTES = 2**28
"""How much of a volume that is not kept is computed at a time."""


@dataclass(frozen=True, slots=True)
class AllPairs:
    """Inner products of all positions of ``first`` and all of ``second`` ``(N, C, h, w)``, as pyramids over ``second``.

    Their number grows with the fourth power of the frames' height: 4.2 GB for 1080p features at 1/8 of the size, and
    a third more for the pyramid. Where that is too much they are computed again, some rows at a time, for each look-up.
    """

    first: Tensor
    second: Tensor
    levels: int
    normalize: bool
    kept: list[Tensor] | None

    @classmethod
    def of(cls, first: Tensor, second: Tensor, *, levels: int = 4, normalize: bool = True) -> AllPairs:
        """The correlations, divided by sqrt(C) with ``normalize``."""
        kept = None
        if first[:, 0].numel() * second[0, 0].numel() * first.element_size() <= _affordable(first.device):
            kept = all_pairs_correlation(first, second, levels=levels, normalize=normalize)
        return cls(first, second, levels, normalize, kept)

    def tiles(self) -> Iterator[tuple[slice, list[Tensor]]]:
        """Rows of the first map with the pyramid of their correlations, ``(N, rows * w, h >> level, w >> level)``."""
        n, _, height, width = self.first.shape
        if self.kept is not None:
            yield slice(0, height), self.kept
            return
        step = max(1, TILE_BYTES // (n * width * self.second[0, 0].numel() * self.first.element_size()))
        for top in range(0, height, step):
            rows = slice(top, top + step)
            yield (
                rows,
                all_pairs_correlation(
                    self.first[:, :, rows], self.second, levels=self.levels, normalize=self.normalize
                ),
            )

    def lookup(self, coords: Tensor, *, radius: int) -> Tensor:
        """The correlations in a window around ``coords``, see `vsvfi.ops.correlation_lookup`.

        Args:
            coords: ``(T, 2, h, w)``: T = N, or any number of timesteps where N is 1.
            radius: half the side of the window, in pixels of every level.

        Returns:
            ``(T, levels * (2 * radius + 1) ** 2, h, w)`` in fp32.
        """
        return torch.cat([_lookup(pyramid, coords[:, :, rows], radius) for rows, pyramid in self.tiles()], 2)


def _lookup(pyramid: list[Tensor], coords: Tensor, radius: int) -> Tensor:
    if len(pyramid[0]) == len(coords):
        return correlation_lookup(pyramid, coords, radius=radius)
    # Read once for each timestep, rather than repeated by the number of timesteps.
    return torch.cat([correlation_lookup(pyramid, coords[i : i + 1], radius=radius) for i in range(len(coords))])


def _affordable(device: torch.device) -> int:
    """How many bytes a volume may have."""
    if device.type != "cuda":
        return KEPT_BYTES
    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return max(KEPT_BYTES, (free + unused) // 4)
