"""Where the scenes of a source begin, found in pieces that workers share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from vsvfi.commands.workers.demands import Demands
from vsvfi.commands.workers.pool import Tell

if TYPE_CHECKING:
    from vsvfi.commands.clips import Clip

__all__ = ["Stretch", "cut_finder", "find_cuts", "forget", "marked", "stretches"]

STRETCH = 2000
"""Source frames that are searched at once: some seconds of work, against milliseconds to seek there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Source frames ``first`` to ``last`` (not included) to search; ``opening`` makes the source's clip."""

    opening: str
    threshold: float | None
    demands: Demands
    first: int
    last: int
    threads: int | None = None


def stretches(frames: int) -> list[tuple[int, int]]:
    """All frames of a source in pieces: first frame, and last, not included."""
    return [(first, min(frames, first + STRETCH)) for first in range(0, frames, STRETCH)]


@lru_cache(maxsize=1)
def marked(opening: str, threshold: float | None) -> Clip:
    """The source's clip with scene changes marked."""
    from vsvfi.commands.clips import core
    from vsvfi.commands.render.script import evaluate

    given = {} if threshold is None else {"threshold": threshold}
    return core.vsvfi.DetectScenes(evaluate(opening), **given)


def cut_finder(opening: str, threshold: float | None) -> Callable[[int], bool]:
    """Finds out for single frames whether a scene begins with them."""
    clip = marked(opening, threshold)

    def is_cut(number: int) -> bool:
        with clip.get_frame(number) as frame:
            return bool(frame.props.get("_SceneChangePrev", 0))

    return is_cut


def find_cuts(stretch: Stretch, tell: Tell) -> list[int]:
    """The frames of a stretch that scenes begin with.

    Raises:
        NodeRefusedError: this machine could find others.
    """
    from vsvfi.commands.clips import core

    stretch.demands.check()
    if stretch.threads is not None:
        core.num_threads = stretch.threads
    clip = marked(stretch.opening, stretch.threshold)[stretch.first : stretch.last]
    found = []
    for number, frame in enumerate(clip.frames(close=True)):
        if frame.props.get("_SceneChangePrev", 0):
            found.append(stretch.first + number)
        tell(number + 1)
    return found


def forget() -> None:
    """Release the clip that was searched."""
    marked.cache_clear()
