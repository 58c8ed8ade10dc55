"""Duplicate frames: recognised in spite of compression noise, and bridged by motion over the true gap.

Animation on twos and threes, telecined and dropped frames show one picture several times. Between two
different pictures the motion is spread over the whole time from one to the other; the number of frames and
their times stay as they are. No vapoursynth here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsvfi.compiled import flow
from vsvfi.models.info import PlaneFrame

__all__ = ["LONGEST", "Features", "describe", "is_duplicate", "true_gap"]

LONGEST = 4
"""Frames that one picture may last and still be bridged; what lasts longer is a still shot."""

BLOCK = 8
"""Samples of luma to a side of the blocks that are compared."""

TOLERANCE = 2.5
"""Greatest difference between the means of two blocks that compression explains, in steps of 8-bit luma."""

GRAIN = 2.0
"""How many times the mean difference of all blocks one block may differ more, as it does under film grain ..."""

MOST_GRAIN = 0.75
"""... and the mean difference above which it is no grain."""


@dataclass(frozen=True, slots=True)
class Features:
    """What the recognition keeps of a frame: means of blocks of its luma, (H, W)."""

    blocks: NDArray[np.uint8]


def describe(frame: PlaneFrame) -> Features:
    """What the recognition needs to know about a frame; depends on that frame alone."""
    return Features(flow.luma(frame.luma_planes, frame.bits, BLOCK))


def is_duplicate(first: Features, second: Features) -> bool:
    """Whether two frames show the same picture."""
    difference = np.abs(first.blocks.astype(np.int16) - second.blocks)
    return float(difference.max()) <= TOLERANCE + GRAIN * min(float(difference.mean()), MOST_GRAIN)


def true_gap(n: int, last: int, repeats: Callable[[int], bool], cut_before: Callable[[int], bool]) -> tuple[int, int]:
    """Source frames (a, b), a <= n < b, between which the picture at a time in [n, n + 1) moves.

    ``last`` is the number of the clip's last frame; ``repeats(k)`` tells whether frame k is a duplicate of frame
    k - 1, ``cut_before(k)`` whether there is a cut between them. Both are asked about at most `LONGEST` frames
    on either side of ``n``. (n, n + 1) where there is nothing to bridge: no duplicates, a picture that lasts
    longer than `LONGEST` frames, a cut in between, or the end of the clip.
    """
    alone = (n, n + 1)
    if cut_before(n + 1):
        return alone
    start = n
    while start > 0 and repeats(start) and not cut_before(start):
        start -= 1
        if n - start >= LONGEST:
            return alone
    end = n + 1
    while repeats(end):
        end += 1
        if end - start > LONGEST or end > last or cut_before(end):
            return alone
    return start, end
