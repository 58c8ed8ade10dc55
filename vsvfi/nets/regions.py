"""Work on a frame piece by piece, with the very result that the whole would give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

__all__ = ["Region", "by_regions", "part_of", "reach_of"]


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a frame: rows ``top`` to ``bottom`` and columns ``left`` to ``right``, the ends excluded."""

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
        """This part of ``(..., H, W)``, a view."""
        return x[..., self.top : self.bottom, self.left : self.right]

    def within(self, outer: Region) -> Region:
        """The same part, counted from the upper left of ``outer``."""
        return Region(self.top - outer.top, self.bottom - outer.top, self.left - outer.left, self.right - outer.left)

    def grown(self, by: int, size: tuple[int, int]) -> Region:
        """With ``by`` more pixels on every side, as far as a frame of ``size`` (height, width) has them."""
        height, width = size
        return Region(
            max(0, self.top - by),
            min(height, self.bottom + by),
            max(0, self.left - by),
            min(width, self.right + by),
        )


def by_regions(
    make: Callable[[Region], Tensor], size: tuple[int, int], *, piece: tuple[int, int] | None, reach: int
) -> Tensor:
    """What ``make`` gives for a whole frame of ``size`` (height, width), made from pieces.

    Convolutions pad what they see with zeros: a region that ends inside the frame is right only ``reach`` pixels away
    from there, which is why every piece is made with so much around it. Nothing is blended, and no seam can arise.

    Args:
        make: gives ``(N, C, height, width)`` for a region.
        size: of the frame.
        piece: the height and width of a piece, without what is around it; None for the whole frame at once.
        reach: how far a pixel of the result depends on its surroundings.
    """
    height, width = size
    rows, columns = (height, width) if piece is None else piece
    if rows >= height and columns >= width:
        return make(Region(0, height, 0, width))
    whole: Tensor | None = None
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            region = Region(top, min(top + rows, height), left, min(left + columns, width))
            around = region.grown(reach, size)
            made = make(around)
            if whole is None:
                whole = made.new_empty((*made.shape[:2], height, width))
            region.of(whole).copy_(region.within(around).of(made))
    assert whole is not None
    return whole


def reach_of(chain: nn.Module) -> int:
    """How far a pixel sees through convolutions of stride 1 that follow each other, in ``chain``."""
    convolutions = (layer for layer in chain.modules() if isinstance(layer, nn.Conv2d))
    return sum(layer.dilation[0] * (layer.kernel_size[0] // 2) for layer in convolutions)


def part_of(chain: nn.Module, x: Tensor, region: Region) -> Tensor:
    """``region`` of ``chain(x)``, from that part of ``x`` alone that it depends on (see `reach_of`)."""
    around = region.grown(reach_of(chain), (x.shape[-2], x.shape[-1]))
    return region.within(around).of(chain(around.of(x)))
