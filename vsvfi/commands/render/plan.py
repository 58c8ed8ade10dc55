"""Where a render is cut into segments, and how long workers need for them. Pure arithmetic."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Segment", "longest_first", "makespan", "segments"]

LONGEST = 6
"""A segment without a scene change ends after so many times its usual length."""


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """Output frames ``start`` to ``end`` (not included)."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    def __str__(self) -> str:
        return f"frames {self.start}-{self.end - 1}"

    @property
    def file(self) -> str:
        """The name of the finished segment's file."""
        return f"{self.start:09d}-{self.end:09d}.segment"


def segments(
    begins: Sequence[Fraction], fps: Fraction, frames: int, seconds: float, is_cut: Callable[[int], bool]
) -> Iterator[Segment]:
    """The segments of a render, each ending at the first scene change after the usual length.

    Args:
        begins: when each source frame begins, in seconds.
        fps: the output's rate.
        frames: how many frames the output has.
        seconds: the usual length of a segment.
        is_cut: whether a scene begins with this source frame; asked only where a segment may end.
    """
    start = 0
    while start < frames:
        end = _end(start, begins, fps, frames, Fraction(seconds), is_cut)
        yield Segment(start, end)
        start = end


def _end(
    start: int,
    begins: Sequence[Fraction],
    fps: Fraction,
    frames: int,
    length: Fraction,
    is_cut: Callable[[int], bool],
) -> int:
    begin = start / fps
    for number in range(max(1, bisect_left(begins, begin + length)), len(begins)):
        time = begins[number]
        end = math.ceil(time * fps)
        if end > start and (time > begin + LONGEST * length or is_cut(number)):
            return min(end, frames)
    return frames


def longest_first(planned: Iterable[Segment]) -> list[Segment]:
    """The order in which workers take segments, so that no long one is left for the end."""
    return sorted(planned, key=lambda segment: (-len(segment), segment.start))


def makespan(costs: Iterable[float], workers: int) -> float:
    """When the last of ``workers`` is done, each taking the next of ``costs`` as soon as it is free."""
    free = [0.0] * workers
    for cost in costs:
        heapq.heapreplace(free, free[0] + cost)
    return max(free)
