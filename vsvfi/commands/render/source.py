"""What the script and the sound need to know of a video before it is rendered."""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from vsvfi.commands import ffmpeg
from vsvfi.commands.clips import core, open_video

__all__ = ["Source", "inspect"]


@dataclass(frozen=True, slots=True)
class Source:
    """What the script and the sound need to know of a video: times in seconds from its own first frame."""

    begins: list[Fraction]
    offset: Fraction
    constant: bool
    rate: Fraction


def inspect(path: Path) -> Source:
    clip = open_video(path)
    times = _times(path)
    base = Fraction(times["timebasenum"], times["timebaseden"])
    stamps = times["timestamps"]
    stamps = [stamps] if isinstance(stamps, int) else list(stamps)
    begins = [(stamp - stamps[0]) * base for stamp in stamps]
    rate = Fraction(clip.fps)
    ideal = [number / rate for number in range(len(begins))] if rate else []
    # Containers round times (Matroska to milliseconds): a constant rate is one that no frame leaves by half a frame.
    constant = bool(rate) and all(abs(a - b) * rate < Fraction(1, 2) for a, b in zip(begins, ideal, strict=True))
    if constant:
        begins = ideal
    else:
        rate = _usual_rate(begins)
    offset = stamps[0] * base - ffmpeg.start_time(path) if ffmpeg.find() else Fraction(0)
    # ffmpeg prints the start in microseconds: what is closer than that is no offset.
    return Source(begins, offset if abs(offset) > Fraction(1, 10_000) else Fraction(0), constant, rate)


def _times(path: Path) -> dict[str, Any]:
    # BestSource does not declare the values that it returns here, and the core warns of it on every call.
    logger = logging.getLogger("vapoursynth")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        times: dict[str, Any] = core.bs.VideoSource(str(path), exporttimestamps=1)
    finally:
        logger.setLevel(level)
    return times


def _usual_rate(begins: list[Fraction]) -> Fraction:
    """The rate of film or television that most frames of a clip of varying rate come at, or what is measured."""
    steps = sorted(b - a for a, b in itertools.pairwise(begins))
    median = steps[len(steps) // 2]
    # Rounding to milliseconds goes both ways: the mean of the steps near the median is what was meant.
    near = [step for step in steps if abs(step - median) <= Fraction(2, 1000)]
    measured = len(near) / sum(near, Fraction(0))
    known = [Fraction(n) for n in (12, 15, 24, 25, 30, 48, 50, 60, 100, 120)]
    known += [Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120)]
    nearest = min(known, key=lambda rate: abs(rate - measured))
    return nearest if abs(nearest - measured) < measured / 100 else measured.limit_denominator(1001)
