"""What the filter needs of an engine: `Engine.render` makes one frame. No torch here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import vapoursynth as vs

from vsvfi.models.info import BackendInfo

__all__ = ["Engine", "Request", "recursion_depth", "window_offsets"]


@dataclass(frozen=True, slots=True)
class Request:
    """One new frame: the source frames of its window (``index`` says which) and its timestep in [0, 1).

    A timestep of 0 asks for the source frame before it as the model returns it; ``index`` then repeats that frame
    where there is no other.
    """

    n: int
    index: tuple[int, ...]
    t: Fraction
    frames: Mapping[int, vs.VideoFrame]


def recursion_depth(t: Fraction) -> int | None:
    """How many times a midpoint has to be halved to reach ``t``, or None where halving never does."""
    depth = t.denominator.bit_length() - 1
    return depth if t.denominator == 1 << depth else None


def window_offsets(info: BackendInfo, depth: int) -> tuple[int, ...]:
    """The source frames needed, relative to the one before the new frame, where midpoints are halved ``depth`` times.

    A wider window than two frames needs midpoints outside the pair as well: one more source frame on each side.
    """
    first, last = info.window[0], info.window[-1]
    if depth > 1 and (first, last) != (0, 1):
        first, last = first - 1, last + 1
    return tuple(range(first, last + 1))


class Engine(ABC):
    """What the filter needs of any kind of backend."""

    def __init__(self, info: BackendInfo, core: vs.Core) -> None:
        self.info = info
        self.core = core

    @abstractmethod
    def render(self, request: Request) -> vs.VideoFrame:
        """The new frame."""
