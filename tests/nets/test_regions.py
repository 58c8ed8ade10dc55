"""Frames piece by piece: the very same result, from no more of the frame than it takes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from vsvfi.nets.blocks import ResidualBlock, conv
from vsvfi.nets.regions import Region, by_regions, part_of, reach_of


@pytest.fixture
def chain() -> nn.Sequential:
    torch.manual_seed(0)
    layers = (conv(3, 4, 7), nn.ReLU(), ResidualBlock(4), conv(4, 2, 3, dilation=2))
    return nn.Sequential(*layers).requires_grad_(False)


def test_region_near_the_border() -> None:
    """It grows as far as the frame goes, and is found again in what it has grown to."""
    region = Region(2, 6, 10, 20)
    grown = region.grown(5, (8, 23))
    assert grown == Region(0, 8, 5, 23)
    frame = torch.rand(1, 2, 8, 23)
    assert torch.equal(region.within(grown).of(grown.of(frame)), frame[..., 2:6, 10:20])


def test_reach_is_how_far_a_pixel_sees(chain: nn.Sequential) -> None:
    """Exactly: the gradient of one pixel ends there."""
    assert reach_of(chain) == 3 + 2 + 2
    image = torch.rand(1, 3, 31, 29, requires_grad=True)
    (gradient,) = torch.autograd.grad(chain(image)[..., 15, 14].sum(), image)
    seen = gradient.abs().sum((0, 1))
    assert seen.sum(1).nonzero().flatten().tolist() == list(range(15 - 7, 15 + 8))
    assert seen.sum(0).nonzero().flatten().tolist() == list(range(14 - 7, 14 + 8))


@pytest.mark.parametrize("piece", [(8, 8), (7, 100), (100, 5), (1, 29)])
def test_pieces_give_the_whole(chain: nn.Sequential, piece: tuple[int, int]) -> None:
    """Whatever their shape, at the border of the frame too; one pixel less around them would show."""
    image = torch.rand(2, 3, 31, 29)
    whole = chain(image)

    def make(region: Region) -> Tensor:
        result: Tensor = chain(region.of(image))
        return result

    pieces = by_regions(make, (31, 29), piece=piece, reach=reach_of(chain))
    torch.testing.assert_close(pieces, whole, atol=1e-6, rtol=0)
    short = by_regions(make, (31, 29), piece=piece, reach=reach_of(chain) - 1)
    assert (short - whole).abs().max() > 1e-4


def test_one_piece_is_made_at_once(chain: nn.Sequential) -> None:
    """Where nothing has to be divided nothing is copied."""
    image = torch.rand(1, 3, 16, 16)
    asked: list[Region] = []

    def make(region: Region) -> torch.Tensor:
        asked.append(region)
        return image

    for piece in (None, (16, 16), (20, 30)):
        result = by_regions(make, (16, 16), piece=piece, reach=9)
        assert result is image
    assert asked == [Region(0, 16, 0, 16)] * 3


@pytest.mark.parametrize("region", [Region(0, 31, 0, 29), Region(10, 12, 9, 20), Region(28, 31, 0, 1)])
def test_a_part_needs_no_more_than_it_sees(chain: nn.Sequential, region: Region) -> None:
    """The same part of the result, with all else of the image unknown."""
    image = torch.rand(1, 3, 31, 29)
    expected = region.of(chain(image))
    unknown = torch.full_like(image, torch.nan)
    seen = region.grown(reach_of(chain), (31, 29))
    seen.of(unknown).copy_(seen.of(image))
    torch.testing.assert_close(part_of(chain, unknown, region), expected, atol=1e-6, rtol=0)
