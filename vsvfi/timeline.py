"""Where output frames lie in time: exact rational arithmetic, nothing else.

Positions are counted in source frames: a frame at position ``s + t`` lies between source frames ``s`` and
``s + 1`` at timestep ``t`` in [0, 1). ``vsvfi/native/timeline.c`` does the same arithmetic for every request.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

__all__ = ["MAX_TERM", "Place", "Placed", "Timeline", "Uniform", "as_factor"]

MAX_TERM = 2**31 - 1
"""Numerators and denominators above this do not fit the exact arithmetic of the native filter."""

MAX_FRAMES = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Place:
    """An output frame: after source frame ``source`` by ``t`` in [0, 1) of the way to the next."""

    source: int
    t: Fraction


def as_factor(value: float) -> Fraction:
    """The rational nearest to ``value`` with a denominator up to 1001 (so that 2.5 is 5/2, and 2.4 is 12/5)."""
    return Fraction(value).limit_denominator(1001)


@dataclass(frozen=True, slots=True)
class Uniform:
    """``factor`` output frames for every source frame, evenly spaced between source frames.

    On a clip of variable frame rate the output frames divide each source frame's own duration.
    """

    frames: int
    factor: Fraction

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise ValueError(f"a clip has at least one frame, got {self.frames}")
        if self.factor <= 1:
            raise ValueError(f"factor must be greater than 1, got {_text(self.factor)}")
        if self.factor.numerator > MAX_TERM or self.factor.denominator > MAX_TERM:
            raise ValueError(f"factor {_text(self.factor)} has terms above {MAX_TERM}; round it")
        if len(self) > MAX_FRAMES:
            raise ValueError(f"factor {_text(self.factor)} makes more than {MAX_FRAMES} frames")

    def __len__(self) -> int:
        """The output frames that begin before the input's end."""
        return -(-self.frames * self.factor.numerator // self.factor.denominator)

    def place(self, n: int) -> Place:
        """Where output frame ``n`` lies."""
        source, rest = divmod(n * self.factor.denominator, self.factor.numerator)
        return Place(source, Fraction(rest, self.factor.numerator))

    def timesteps(self) -> Iterator[Fraction]:
        """Every timestep that occurs, once."""
        position = Fraction(0)
        for n in range(min(self.factor.numerator, len(self))):
            position = n / self.factor
            yield position - int(position)

    def timesteps_after(self, source: int) -> list[Fraction]:
        """The timesteps strictly between source frame ``source`` and the next one, ascending."""
        num, den = self.factor.numerator, self.factor.denominator
        first = source * num // den + 1
        last = -(-(source + 1) * num // den)
        return [Fraction(n * den, num) - source for n in range(first, min(last, len(self)))]


@dataclass(frozen=True)
class Placed:
    """Output frames at a constant rate over source frames that last ``durations`` (seconds)."""

    durations: Sequence[Fraction]
    fps: Fraction

    def __post_init__(self) -> None:
        if not self.durations or any(duration <= 0 for duration in self.durations):
            raise ValueError("every frame of a clip needs a duration above 0")
        begins = [Fraction(0), *accumulate(self.durations)]
        object.__setattr__(self, "_begins", begins)
        average = len(self.durations) / begins[-1]
        if self.fps < average:
            raise ValueError(
                f"the target rate must not be below the clip's average of {_text(average)} fps, got {_text(self.fps)}"
            )

    @property
    def begins(self) -> list[Fraction]:
        """When each source frame begins, and when the last one ends."""
        begins: list[Fraction] = object.__getattribute__(self, "_begins")
        return begins

    def __len__(self) -> int:
        """The output frames that begin before the input's end."""
        return -int(-self.begins[-1] * self.fps // 1)

    def place(self, n: int) -> Place:
        """Where output frame ``n`` lies."""
        time = n / self.fps
        source = bisect_right(self.begins, time, hi=len(self.durations)) - 1
        return Place(source, (time - self.begins[source]) / self.durations[source])

    def duration(self, n: int) -> Fraction:
        """How long output frame ``n`` is shown, in seconds: the last one ends with the input."""
        return min((n + 1) / self.fps, self.begins[-1]) - n / self.fps

    def timesteps(self) -> Iterator[Fraction]:
        """Every timestep that occurs, once."""
        yield from {self.place(n).t for n in range(len(self))}

    def timesteps_after(self, source: int) -> list[Fraction]:
        """The timesteps strictly between source frame ``source`` and the next one, ascending."""
        begin, end = self.begins[source], self.begins[source + 1]
        first = int(begin * self.fps // 1) + 1
        last = -int(-end * self.fps // 1)
        return [(n / self.fps - begin) / self.durations[source] for n in range(first, last)]

    def table(self) -> list[tuple[int, int, int, int, int]]:
        """Source frame, timestep and duration of every output frame, as integers."""
        rows = []
        for n in range(len(self)):
            place, duration = self.place(n), self.duration(n)
            row = (place.source, *place.t.as_integer_ratio(), *duration.as_integer_ratio())
            if max(row) >= 2**62:
                raise ValueError("the clip's durations and the target rate have no common fraction in 64 bits")
            rows.append(row)
        return rows


type Timeline = Uniform | Placed


def _text(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{value.numerator}/{value.denominator}"
