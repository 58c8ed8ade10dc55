"""What `vsvfi render` is asked for: the job, its rate, and how the picture is encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from vsvfi.errors import VsvfiError
from vsvfi.timeline import MAX_TERM, as_number, as_rate

__all__ = ["Encoding", "Job", "Rate", "rate_from"]


@dataclass(frozen=True, slots=True)
class Rate:
    """How many frames to make: ``factor`` for each source frame, or ``fps`` a second; one of them."""

    factor: Fraction | None = None
    fps: Fraction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to interpolate, and how.

    ``filter`` are arguments of `vsvfi.Interpolate` other than those of time. ``start`` and ``end`` (not included) are
    source frames' numbers, or times. With ``deinterlace`` every field becomes a frame first; with ``slow`` the output
    has the source's rate and takes longer.
    """

    source: Path
    rate: Rate = Rate(Fraction(2))
    slow: bool = False
    deinterlace: bool = False
    start: str | None = None
    end: str | None = None
    filter: Mapping[str, Any] = field(default_factory=dict)

    @property
    def slowness(self) -> Fraction:
        """How many times as long the output takes."""
        return self.rate.factor if self.slow and self.rate.factor else Fraction(1)

    @property
    def model(self) -> str:
        """The model's name."""
        return str(self.filter.get("model") or "flow")

    @property
    def weights(self) -> tuple[str, ...]:
        """The weights that were chosen, by name or as files."""
        return tuple(self.filter.get("weights") or ())

    @property
    def device(self) -> str:
        """Where it is computed."""
        return str(self.filter.get("device") or "auto")


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How the picture is encoded; ``options`` are further ones of ffmpeg's, as one string."""

    encoder: str = "libx264"
    crf: int = 17
    preset: str = "medium"
    options: str = ""
    segment_seconds: float = 10.0


def rate_from(factor: str | None, fps: str | None, slow_motion: str | None = None) -> Rate:
    """The rate that the command line asks for: a factor as ``2``, ``2.5`` or ``5/2``, or a rate (`as_rate`).

    Raises:
        VsvfiError: several are given, or one is not what it should be.
    """
    given = {"--factor": factor, "--fps": fps, "--slow-motion": slow_motion}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise VsvfiError(f"give {' or '.join(named)}, not {'both' if len(named) == 2 else 'all'}")
    if fps is not None:
        return Rate(fps=as_rate("--fps", fps))
    name, text = ("--slow-motion", slow_motion) if slow_motion is not None else ("--factor", factor)
    value = Fraction(2) if text is None else as_number(text)
    if value is None or not 1 < value <= MAX_TERM:
        raise VsvfiError(f"{name} must be greater than 1, such as 2, 2.5 or 5/2, got {text}")
    return Rate(value.limit_denominator(1001))
