"""Scene changes: whether there is a cut between two frames, and what a cut does to a window of frames.

The decision about one boundary depends on at most `BEFORE` frames before it and `AFTER` frames after it, so
that it is the same in whatever order it is asked for. No vapoursynth here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vsvfi.backend import PlaneFrame
from vsvfi.backends.flow import kernels

__all__ = [
    "AFTER",
    "BEFORE",
    "DEFAULT_THRESHOLD",
    "Features",
    "at_cut",
    "confine",
    "cut_score",
    "describe",
    "is_cut",
]

BEFORE = 3
"""Frames before a boundary that the decision may look at."""

AFTER = 3
"""Frames after a boundary that the decision may look at."""

DEFAULT_THRESHOLD = 0.1

THUMBNAIL = 48
"""Rows of the thumbnail that frames are compared on."""


@dataclass(frozen=True, slots=True)
class Features:
    """What the detector keeps of a frame: a thumbnail of its luma in [0, 1], (H, W) float32."""

    luma: NDArray[np.float32]


def describe(frame: PlaneFrame) -> Features:
    """What the detector needs to know about a frame; depends on that frame alone."""
    shrink = max(1, min(frame.planes[0].shape) // THUMBNAIL)
    return Features(kernels.luma(frame, shrink) * np.float32(1 / 255))


def _difference(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """How unlike two thumbnails are, 0 ... 1, brightness set aside."""
    a, b = first - first.mean(), second - second.mean()
    return float(np.abs(a - b).mean())


def cut_score(before: Sequence[Features], after: Sequence[Features]) -> float:
    """How much the boundary between ``before[-1]`` and ``after[0]`` looks like a cut: 0 ... 1.

    ``before`` are up to `BEFORE` frames, the last one next to the boundary; ``after`` up to `AFTER`, the first one next
    to it. Fewer are given at the ends of a clip.
    """
    jump = _difference(before[-1].luma, after[0].luma)
    inside = [_difference(a.luma, b.luma) for run in (before, after) for a, b in pairwise(run)]
    # A flash comes back to what was there before.
    across = [_difference(a.luma, b.luma) for a in before for b in after]
    return max(0.0, min([jump, *across]) - (max(inside) if inside else 0.0))


def is_cut(before: Sequence[Features], after: Sequence[Features], threshold: float = DEFAULT_THRESHOLD) -> bool:
    """Whether there is a cut between ``before[-1]`` and ``after[0]`` (see `cut_score`)."""
    return cut_score(before, after) > threshold


def confine(window: Sequence[int], cut_before: Callable[[int], bool]) -> tuple[int, ...]:
    """Frame numbers of a window, with those beyond a cut replaced by the last frame on this side of it.

    ``window`` are ascending frame numbers around the new frame, an even number of them, the new frame in the middle;
    ``cut_before(n)`` tells whether there is a cut between frames n - 1 and n. The middle pair itself is left alone:
    a window whose middle spans a cut must not be interpolated (see `at_cut`).
    """
    middle = len(window) // 2
    left, right = [window[middle - 1]], [window[middle]]
    for n in reversed(window[: middle - 1]):
        blocked = any(cut_before(k) for k in range(n + 1, left[-1] + 1))
        left.append(left[-1] if blocked else n)
    for n in window[middle + 1 :]:
        blocked = any(cut_before(k) for k in range(right[-1] + 1, n + 1))
        right.append(right[-1] if blocked else n)
    return (*reversed(left), *right)


def at_cut(mode: Literal["hold", "nearest", "blend"], timestep: Fraction) -> Fraction:
    """The weight of the later frame in what is shown ``timestep`` after the last frame before a cut."""
    match mode:
        case "hold":
            return Fraction(0)
        case "nearest":
            return Fraction(int(timestep >= Fraction(1, 2)))
        case "blend":
            return timestep
