"""Adaptive warping of a tile of a frame: the same pixels, from no more of the image than the flow leads to."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vsvfi.nets.memc_net.blocks import KERNEL_TAPS
from vsvfi.nets.memc_net.warp import adaptive_warp_tile
from vsvfi.nets.tiles import Tile
from vsvfi.ops import adaptive_warp

SIZE = (40, 48)
TILES = (Tile(0, 40, 0, 48), Tile(0, 8, 0, 8), Tile(16, 24, 20, 30), Tile(39, 40, 40, 48))


def problem(motion: float) -> tuple[Tensor, Tensor, Tensor]:
    """An image, flows up to about three times ``motion``, and kernels."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, *SIZE, generator=generator)
    flow = motion * torch.randn(2, 2, *SIZE, generator=generator)
    return image, flow, torch.rand(2, KERNEL_TAPS, *SIZE, generator=generator)


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("motion", [0, 0.5, 4, 15, 100])
def test_tile_of_the_whole(tile: Tile, motion: float) -> None:
    """With flows that stay, that leave the tile or the frame, or that are too long to count."""
    image, flow, kernels = problem(motion)
    warped = adaptive_warp_tile(lambda source: source.of(image), flow, kernels, tile)
    whole = adaptive_warp(image, flow, kernels)
    torch.testing.assert_close(warped, tile.of(whole), atol=1e-6, rtol=1e-6)


def test_flow_that_is_no_number() -> None:
    """Leaves a pixel as it is."""
    image, flow, kernels = problem(4)
    flow[0, 0, 18, 22] = torch.nan
    tile = Tile(16, 24, 20, 30)
    warped = adaptive_warp_tile(lambda source: source.of(image), flow, kernels, tile)
    assert torch.equal(warped[0, :, 2, 2], image[0, :, 18, 22])


@pytest.mark.parametrize(("x", "y"), [(3.5, 0.0), (-3.5, -2.25)])
def test_no_more_of_the_image_than_it_takes(x: float, y: float) -> None:
    """The tile itself, the place that the flow leads to, and a window around that."""
    image, flow, kernels = problem(0)
    flow[:, 0], flow[:, 1] = x, y
    asked: list[Tile] = []
    tile = Tile(16, 24, 20, 30)

    def read(source: Tile) -> Tensor:
        asked.append(source)
        return source.of(image)

    adaptive_warp_tile(read, flow, kernels, tile)
    right, left = (3 + 2, 0) if x > 0 else (0, 4 + 1)
    top, bottom = (1, 2) if y == 0 else (3 + 1, 0)
    assert asked == [Tile(16 - top, 24 + bottom, 20 - left, 30 + right)]
