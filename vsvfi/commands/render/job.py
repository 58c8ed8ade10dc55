"""What `vsvfi render` is asked for: the job, its rate, and how the picture is encoded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vsvfi.errors import VsvfiError

__all__ = ["Encoding", "Job", "Rate", "rate_from"]


@dataclass(frozen=True, slots=True)
class Rate:
    """How many frames to make: ``factor`` for each source frame, or ``fps`` a second; one of them."""

    factor: Fraction | None = None
    fps: Fraction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to interpolate, and how: the arguments of `vsvfi.Interpolate` that were given."""

    source: Path
    model: str = "flow"
    rate: Rate = Rate(Fraction(2))
    sc_mode: str = "hold"
    device: str = "auto"
    precision: str = "auto"
    quality: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How the picture is encoded; ``options`` are further ones of ffmpeg's, as one string."""

    encoder: str = "libx264"
    crf: int = 17
    preset: str = "medium"
    options: str = ""
    segment_seconds: float = 10.0


def rate_from(factor: float | None, fps: str | None) -> Rate:
    """The rate that the command line asks for; 23.976, 29.97, 59.94 and 119.88 mean the rates of television.

    Raises:
        VsvfiError: both are given, or ``fps`` is not a rate.
    """
    if factor is not None and fps is not None:
        raise VsvfiError("give --factor or --fps, not both")
    if fps is None:
        if factor is not None and not (math.isfinite(factor) and factor > 1):
            raise VsvfiError(f"--factor must be greater than 1, got {factor:g}")
        return Rate(Fraction(2 if factor is None else factor).limit_denominator(1001))
    try:
        value = Fraction(fps)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if value <= 0:
        raise VsvfiError(f"--fps must be a rate such as 60, 59.94 or 60000/1001, got {fps!r}")
    television = Fraction(round(value * Fraction(1001, 1000)) * 1000, 1001)
    if "." in fps and value.denominator != 1 and abs(value - television) < Fraction(1, 200):
        value = television
    return Rate(fps=value)
