"""Frames tile by tile: the same result, from no more of the frame than it depends on."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from vsvfi.nets.blocks import ResidualBlock, conv
from vsvfi.nets.tiles import Tile, by_tiles, receptive_radius, tile_of


@pytest.fixture
def chain() -> nn.Sequential:
    torch.manual_seed(0)
    layers = (conv(3, 4, 7), nn.ReLU(), ResidualBlock(4), conv(4, 2, 3, dilation=2))
    return nn.Sequential(*layers).requires_grad_(False)


def test_tile_near_the_border() -> None:
    """It grows as far as the frame goes, and is found again in what it has grown to."""
    tile = Tile(2, 6, 10, 20)
    grown = tile.grown(5, (8, 23))
    assert grown == Tile(0, 8, 5, 23)
    frame = torch.rand(1, 2, 8, 23)
    assert torch.equal(tile.within(grown).of(grown.of(frame)), frame[..., 2:6, 10:20])


def test_receptive_radius_is_exact(chain: nn.Sequential) -> None:
    """Exactly: the gradient of one pixel ends there."""
    assert receptive_radius(chain) == 3 + 2 + 2
    image = torch.rand(1, 3, 31, 29, requires_grad=True)
    (gradient,) = torch.autograd.grad(chain(image)[..., 15, 14].sum(), image)
    seen = gradient.abs().sum((0, 1))
    assert seen.sum(1).nonzero().flatten().tolist() == list(range(15 - 7, 15 + 8))
    assert seen.sum(0).nonzero().flatten().tolist() == list(range(14 - 7, 14 + 8))


@pytest.mark.parametrize("tile_size", [(8, 8), (7, 100), (100, 5), (1, 29)])
def test_tiles_give_the_whole(chain: nn.Sequential, tile_size: tuple[int, int]) -> None:
    """Whatever their shape, at the border of the frame too; one pixel less around them would show."""
    image = torch.rand(2, 3, 31, 29)
    whole = chain(image)

    def make(tile: Tile) -> Tensor:
        result: Tensor = chain(tile.of(image))
        return result

    tiled = by_tiles(make, (31, 29), tile_size=tile_size, margin=receptive_radius(chain))
    torch.testing.assert_close(tiled, whole, atol=1e-6, rtol=0)
    short = by_tiles(make, (31, 29), tile_size=tile_size, margin=receptive_radius(chain) - 1)
    assert (short - whole).abs().max() > 1e-4


def test_one_tile_is_made_at_once(chain: nn.Sequential) -> None:
    """Where nothing has to be divided nothing is copied."""
    image = torch.rand(1, 3, 16, 16)
    asked: list[Tile] = []

    def make(tile: Tile) -> Tensor:
        asked.append(tile)
        return image

    for tile_size in (None, (16, 16), (20, 30)):
        result = by_tiles(make, (16, 16), tile_size=tile_size, margin=9)
        assert result is image
    assert asked == [Tile(0, 16, 0, 16)] * 3


@pytest.mark.parametrize("tile", [Tile(0, 31, 0, 29), Tile(10, 12, 9, 20), Tile(28, 31, 0, 1)])
def test_a_tile_needs_no_more_than_its_receptive_field(chain: nn.Sequential, tile: Tile) -> None:
    """The same tile of the result, with the rest of the image unknown."""
    image = torch.rand(1, 3, 31, 29)
    expected = tile.of(chain(image))
    unknown = torch.full_like(image, torch.nan)
    seen = tile.grown(receptive_radius(chain), (31, 29))
    seen.of(unknown).copy_(seen.of(image))
    torch.testing.assert_close(tile_of(chain, unknown, tile), expected, atol=1e-6, rtol=0)
