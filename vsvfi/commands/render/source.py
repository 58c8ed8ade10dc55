"""What the script and the sound need to know of a video before it is rendered."""

from __future__ import annotations

import itertools
import logging
from bisect import bisect_left
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from vsvfi.commands import ffmpeg
from vsvfi.commands.clips import core, open_video
from vsvfi.errors import VsvfiError
from vsvfi.timeline import as_number

__all__ = ["Source", "deinterlaced", "inspect", "part_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the script and the sound need to know of a video, or of the part of it that is rendered.

    ``first`` and ``last`` (not included) are the frames of the file. ``begins`` are times in seconds from that first
    frame, ``skipped`` the time before it from the file's own first frame, and that one's ``offset`` from where ffmpeg
    counts. ``rate`` is the constant one, or the usual one.
    """

    begins: list[Fraction]
    offset: Fraction
    constant: bool
    rate: Fraction
    first: int
    last: int
    whole: bool = True
    skipped: Fraction = Fraction(0)

    @property
    def seconds(self) -> Fraction:
        """How long it is shown."""
        return self.begins[-1] + 1 / self.rate


def inspect(path: Path) -> Source:
    """Find out about a video.

    Raises:
        VsvfiError: it is not there, or cannot be read.
    """
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
    near = abs(offset) <= Fraction(1, 10_000)
    return Source(
        begins=begins,
        offset=Fraction(0) if near else offset,
        constant=constant,
        rate=rate,
        first=0,
        last=len(begins),
    )


def part_of(source: Source, start: str | None, end: str | None) -> Source:
    """The part of a source from ``start`` to ``end`` (not included), frames' numbers or times such as 1:30.5.

    Raises:
        VsvfiError: one of them is neither, or lies outside, or nothing lies between.
    """
    if start is None and end is None:
        return source
    first = 0 if start is None else _frame_at(source, "--start", start)
    last = len(source.begins) if end is None else _frame_at(source, "--end", end)
    if not 0 <= first < last <= len(source.begins):
        raise VsvfiError(
            f"--start and --end must have frames between them: got {first} to {last} of {len(source.begins)}"
        )
    skipped = source.begins[first]
    begins = [begin - skipped for begin in source.begins[first:last]]
    return replace(source, begins=begins, first=first, last=last, whole=False, skipped=skipped)


def _frame_at(source: Source, option: str, text: str) -> int:
    if text.isdecimal():
        return int(text)
    parts = text.split(":")
    values = [value for value in map(as_number, parts) if value is not None]
    # A time without a colon has a point: 90.5.
    if len(values) != len(parts) or not (2 <= len(parts) <= 3 or "." in text):
        raise VsvfiError(f"{option} must be a source frame's number, or a time such as 1:30.5 or 90.5, got {text!r}")
    return bisect_left(source.begins, sum(value * 60**k for k, value in enumerate(reversed(values))))


def deinterlaced(source: Source) -> Source:
    """The source with a frame for each field.

    Raises:
        VsvfiError: its rate varies, or what makes frames of fields is not there.
    """
    if not source.constant:
        raise VsvfiError("--deinterlace needs a constant frame rate, and the source's varies")
    if not hasattr(core, "bwdif"):
        raise VsvfiError("--deinterlace needs Bwdif: pip install vapoursynth-bwdif")
    rate = 2 * source.rate
    return replace(source, begins=[number / rate for number in range(2 * len(source.begins))], rate=rate)


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
