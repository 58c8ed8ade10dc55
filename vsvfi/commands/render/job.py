"""What `vsvfi render` is asked for: the job, its rate, and how the picture is encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from vsvfi.errors import VsvfiError
from vsvfi.timeline import as_rate

__all__ = ["Crew", "Encoding", "Job", "Rate", "rate_from"]


@dataclass(frozen=True, slots=True)
class Rate:
    """How many frames to make: ``factor`` for each source frame, or ``fps`` a second; one of them."""

    factor: Fraction | None = None
    fps: Fraction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to interpolate, and how: ``filter`` are arguments of `vsvfi.Interpolate` other than those of time."""

    source: Path
    rate: Rate = Rate(Fraction(2))
    filter: Mapping[str, Any] = field(default_factory=dict)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Who does the work: so many processes (None: as many as there are GPUs), of this machine or of a Ray cluster.

    With ``ship`` the cluster's machines need not see the source's and the output's folders.
    """

    workers: int | None = 1
    cluster: str = ""
    ship: bool = False

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            VsvfiError: there would be no worker, or nobody to send the source to.
        """
        if self.workers is not None and self.workers < 1:
            raise VsvfiError(f"--workers must be at least 1, or auto, got {self.workers}")
        if self.ship and not self.cluster:
            raise VsvfiError("--ship sends the source to a cluster: say which with --cluster")


def rate_from(factor: str | None, fps: str | None) -> Rate:
    """The rate that the command line asks for: a factor as ``2``, ``2.5`` or ``5/2``, or a rate (`as_rate`).

    Raises:
        VsvfiError: both are given, or one is not what it should be.
    """
    if factor is not None and fps is not None:
        raise VsvfiError("give --factor or --fps, not both")
    if fps is not None:
        return Rate(fps=as_rate("--fps", fps))
    try:
        value = Fraction("2" if factor is None else factor)
    except (ValueError, ZeroDivisionError):
        raise VsvfiError(f"--factor must be a number such as 2, 2.5 or 5/2, got {factor!r}") from None
    if value <= 1:
        raise VsvfiError(f"--factor must be greater than 1, got {factor}")
    return Rate(value.limit_denominator(1001))
