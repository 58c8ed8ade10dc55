"""Padding to sizes that a network can take."""

from __future__ import annotations

from typing import Literal

__all__ = ["Padding", "padding"]

type Padding = Literal["end", "center"]
"""Where a frame is padded: at the right and the bottom, or on all sides."""


def padding(length: int, *, multiple: int, minimum: int = 1, where: Padding = "end") -> tuple[int, int]:
    """Pixels to add before and after a side of ``length`` pixels.

    Args:
        length: of the side, in pixels.
        multiple: what the padded side is a multiple of.
        minimum: what the padded side is at least.
        where: all after it, or half before it (rounded down).
    """
    missing = -(-max(length, minimum) // multiple) * multiple - length
    before = missing // 2 if where == "center" else 0
    return before, missing - before
