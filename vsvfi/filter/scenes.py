"""Scene changes: whether there is a cut between two frames, and what a cut does to a window of frames.

The decision about one boundary depends on at most `BEFORE` frames before it and `AFTER` frames after it, so
that it is the same in whatever order it is asked for. No vapoursynth here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vsvfi.compiled import flow
from vsvfi.compiled import scenes as compiled
from vsvfi.models.info import PlaneFrame

__all__ = [
    "AFTER",
    "BEFORE",
    "DEFAULT_THRESHOLD",
    "Features",
    "confine",
    "cut_score",
    "describe",
    "difference",
    "is_cut",
]

BEFORE = 3
"""Frames before a boundary that the decision may use."""

AFTER = 3
"""Frames after a boundary that the decision may use."""

DEFAULT_THRESHOLD = 0.1

THUMBNAIL = 48
"""Rows of the thumbnail that frames are compared on, about."""

SMALLEST = 8
"""Samples that a thumbnail has at least in each direction."""

UNLIKE = 0.25
"""The score of frames that have nothing in common; puts the threshold where users of other detectors expect it."""

LEAST_JUMP = 0.25
"""Frames that differ by less than this are never a cut; most boundaries need no second look."""

BESIDE = 0.7
"""The part of the difference between frames next to a boundary that is subtracted from the boundary's own."""


@dataclass(frozen=True, slots=True)
class Features:
    """What the detector keeps of a frame: a thumbnail of its luma, (H, W) bytes."""

    luma: NDArray[np.uint8]


def describe(frame: PlaneFrame) -> Features:
    """What the detector needs to know about a frame; depends on that frame alone."""
    shrink = max(1, min(frame.planes[0].shape) // THUMBNAIL)
    thumbnail = flow.luma(frame.luma_planes, frame.bits, shrink)
    missing = [(0, max(0, SMALLEST - size)) for size in thumbnail.shape]
    return Features(np.pad(thumbnail, missing, "edge") if any(end for _, end in missing) else thumbnail)


def difference(first: Features, second: Features) -> float:
    """The difference of two frames apart from motion and brightness: 0 the same, about 1 nothing in common."""
    return compiled.difference(first.luma, second.luma)


def cut_score(before: Sequence[Features], after: Sequence[Features]) -> float:
    """How much the boundary between ``before[-1]`` and ``after[0]`` looks like a cut: 0 ... 1.

    ``before`` are up to `BEFORE` frames, the last one next to the boundary; ``after`` up to `AFTER`, the first one
    next to it. Fewer are given at the ends of a clip.
    """
    jump = difference(before[-1], after[0])
    if jump < LEAST_JUMP:
        return 0.0
    # Motion or flicker on either side means an explosion, a whip pan or a dissolve rather than a cut.
    beside = max((difference(a, b) for run in (before[-2:], after[:2]) for a, b in pairwise(run)), default=0.0)
    # A flash, or something that passes the camera, comes back to what was there before.
    across = min(difference(a, b) for a in before for b in after)
    # A fade grows out of one colour, or into it; a scene has all of its contrast at once.
    return UNLIKE * max(0.0, min(jump, across) - BESIDE * beside) * _steadiness(before[::-1]) * _steadiness(after)


def _steadiness(run: Sequence[Features]) -> float:
    """The contrast of the first frame as a part of the greatest in the run, 0 ... 1."""
    contrasts = [float(frame.luma.std()) + 1 for frame in run]
    return contrasts[0] / max(contrasts)


def is_cut(before: Sequence[Features], after: Sequence[Features], threshold: float = DEFAULT_THRESHOLD) -> bool:
    """Whether there is a cut between ``before[-1]`` and ``after[0]`` (see `cut_score`)."""
    return cut_score(before, after) > threshold


def confine(window: Sequence[int], cut_before: Callable[[int], bool]) -> tuple[int, ...]:
    """Frame numbers of a window, with those beyond a cut replaced by the last frame on this side of it.

    ``window`` are ascending frame numbers around the new frame, an even number of them, the new frame in the middle;
    ``cut_before(n)`` tells whether there is a cut between frames n - 1 and n. The middle pair itself is left alone:
    a window whose middle spans a cut must not be interpolated.
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
