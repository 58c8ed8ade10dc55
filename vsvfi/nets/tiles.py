"""Work on a frame tile by tile, with exactly the result that the whole frame would give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

__all__ = ["Tile", "by_tiles", "receptive_radius", "tile_of"]


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of a frame: rows ``top`` to ``bottom`` and columns ``left`` to ``right``, the ends excluded."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def height(self) -> int:
        """The number of rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """The number of columns."""
        return self.right - self.left

    def of(self, x: Tensor) -> Tensor:
        """This tile of ``(..., H, W)``, a view."""
        return x[..., self.top : self.bottom, self.left : self.right]

    def within(self, outer: Tile) -> Tile:
        """The same tile in the coordinates of ``outer``."""
        return Tile(self.top - outer.top, self.bottom - outer.top, self.left - outer.left, self.right - outer.left)

    def grown(self, margin: int, size: tuple[int, int]) -> Tile:
        """With ``margin`` more pixels on every side, clipped to a frame of ``size`` (height, width)."""
        height, width = size
        return Tile(
            max(0, self.top - margin),
            min(height, self.bottom + margin),
            max(0, self.left - margin),
            min(width, self.right + margin),
        )


def by_tiles(
    make: Callable[[Tile], Tensor], size: tuple[int, int], *, tile_size: tuple[int, int] | None, margin: int
) -> Tensor:
    """What ``make`` gives for a whole frame of ``size`` (height, width), computed tile by tile.

    Convolutions pad with zeros, so that a tile that ends inside the frame is right only ``margin`` pixels away from
    its edge: every tile is computed with that margin, which is then cropped. Nothing is blended, and there are no
    seams.

    Args:
        make: gives ``(N, C, height, width)`` for a tile.
        size: of the frame.
        tile_size: height and width of a tile without its margin; None for the whole frame at once.
        margin: the radius, in pixels, of what a pixel of the result depends on.
    """
    height, width = size
    rows, columns = tile_size or size
    if rows >= height and columns >= width:
        return make(Tile(0, height, 0, width))
    whole: Tensor | None = None
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            tile = Tile(top, min(top + rows, height), left, min(left + columns, width))
            with_margin = tile.grown(margin, size)
            made = make(with_margin)
            if whole is None:
                whole = made.new_empty((*made.shape[:2], height, width))
            tile.of(whole).copy_(tile.within(with_margin).of(made))
    assert whole is not None
    return whole


def receptive_radius(chain: nn.Module) -> int:
    """The radius, in pixels, of the receptive field of convolutions of stride 1 that follow each other in ``chain``."""
    convolutions = (layer for layer in chain.modules() if isinstance(layer, nn.Conv2d))
    return sum(layer.dilation[0] * (layer.kernel_size[0] // 2) for layer in convolutions)


def tile_of(chain: nn.Module, x: Tensor, tile: Tile) -> Tensor:
    """``tile`` of ``chain(x)``, computed from the receptive field of that tile alone (see `receptive_radius`)."""
    with_margin = tile.grown(receptive_radius(chain), (x.shape[-2], x.shape[-1]))
    return tile.within(with_margin).of(chain(with_margin.of(x)))
