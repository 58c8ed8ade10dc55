"""Where the scenes of a source begin, found in pieces that workers share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from vsvfi.commands.workers.pool import Tell

if TYPE_CHECKING:
    from vsvfi.commands.clips import Clip

__all__ = ["Stretch", "cut_finder", "find_cuts", "stretches"]

STRETCH = 2000
"""Source frames that are looked through at once: some seconds of work, against milliseconds to seek there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Source frames ``first`` to ``last`` (not included) to look through; ``opening`` makes the source's clip."""

    opening: str
    first: int
    last: int
    threads: int | None = None

    def __str__(self) -> str:
        return f"scenes of source frames {self.first}-{self.last - 1}"


def stretches(opening: str, frames: int, threads: int | None) -> list[Stretch]:
    """All frames of a source, in pieces."""
    return [
        Stretch(opening=opening, first=first, last=min(frames, first + STRETCH), threads=threads)
        for first in range(0, frames, STRETCH)
    ]


@lru_cache(maxsize=1)
def _marked(opening: str, threads: int | None) -> Clip:
    from vsvfi.commands.clips import core
    from vsvfi.commands.render.script import evaluate

    if threads is not None:
        core.num_threads = threads
    return core.vsvfi.DetectScenes(evaluate(opening))


def cut_finder(opening: str) -> Callable[[int], bool]:
    """Tells of single frames whether a scene begins with them."""
    clip = _marked(opening, None)

    def is_cut(number: int) -> bool:
        with clip.get_frame(number) as frame:
            return bool(frame.props.get("_SceneChangePrev", 0))

    return is_cut


def find_cuts(stretch: Stretch, tell: Tell) -> list[int]:
    """The frames of a stretch that scenes begin with."""
    clip = _marked(stretch.opening, stretch.threads)[stretch.first : stretch.last]
    found = []
    for number, frame in enumerate(clip.frames(close=True)):
        if frame.props.get("_SceneChangePrev", 0):
            found.append(stretch.first + number)
        tell(number + 1)
    return found


def forget() -> None:
    """Let go of the clip that was looked through."""
    _marked.cache_clear()
