"""Where a render is cut into segments."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vsvfi.commands.clips import core
from vsvfi.commands.render.source import Source

__all__ = ["Segment", "Segments"]

LONGEST = 6
"""A segment without a scene change ends after so many times its usual length."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A finished segment: output frames ``start`` to ``end`` (not included), in ``file``."""

    start: int
    end: int
    file: str


class Segments:
    """Where segments end: at the first scene change after the usual length, looked for as rendering goes on."""

    def __init__(self, source: Source, path: Path, fps: Fraction, frames: int, seconds: float) -> None:
        self._source, self._fps, self._frames = source, fps, frames
        self._length = Fraction(max(seconds, 0.0))
        self._scenes = core.vsvfi.DetectScenes(core.bs.VideoSource(str(path)))

    def end(self, start: int) -> int:
        """The output frame before which the segment that begins with output frame ``start`` ends."""
        begin = start / self._fps
        first = max(1, bisect_left(self._source.begins, begin + self._length))
        for number in range(first, len(self._source.begins)):
            time = self._source.begins[number]
            with self._scenes.get_frame(number) as frame:
                cut = frame.props.get("_SceneChangePrev", 0)
            if cut or time > begin + LONGEST * self._length:
                end = math.ceil(time * self._fps)
                if end > start:
                    return min(end, self._frames)
        return self._frames
